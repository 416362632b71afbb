/** Tables as `schemas/mappings/demo-trading/README.md` describes them; only those that the demo reads. */
export const TABLES = `
  CREATE TABLE purchase_order (
    order_no text PRIMARY KEY, company_code text NOT NULL, order_type text NOT NULL, status char(1) NOT NULL,
    order_date date NOT NULL, supplier_no text NOT NULL, supplier_name text NOT NULL, supplier_tax_id text,
    currency char(3) NOT NULL, exchange_rate numeric(18,8), rate_date date, buyer text, purchasing_group text,
    terms_code text, terms_text text, terms_days integer, incoterm text, incoterm_place text,
    tax_included boolean NOT NULL, net_amount numeric(18,4) NOT NULL, tax_amount numeric(18,4),
    gross_amount numeric(18,4), on_hold boolean NOT NULL, created_at timestamptz NOT NULL, created_by text NOT NULL,
    updated_at timestamptz NOT NULL, updated_by text NOT NULL);
  CREATE INDEX ON purchase_order (updated_at, order_no);
  CREATE TABLE purchase_order_line (
    order_no text, line_no integer, item_no text, item_name text NOT NULL, item_spec text, plant_code text NOT NULL,
    warehouse_code text, quantity numeric(18,3) NOT NULL, unit text NOT NULL, unit_price numeric(18,4) NOT NULL,
    price_unit integer NOT NULL, discount_amount numeric(18,4), tax_code text, tax_rate numeric(5,2),
    net_amount numeric(18,4) NOT NULL, tax_amount numeric(18,4), due_date date,
    received_quantity numeric(18,3) NOT NULL, invoiced_quantity numeric(18,3) NOT NULL, requisition_no text,
    closed boolean NOT NULL, PRIMARY KEY (order_no, line_no));
  CREATE TABLE payment (
    payment_no text, fiscal_year integer, company_code text NOT NULL, direction char(1) NOT NULL,
    method text NOT NULL, status char(1) NOT NULL, partner_no text NOT NULL, partner_name text NOT NULL,
    document_date date NOT NULL, posting_date date, due_date date, value_date date, currency char(3) NOT NULL,
    amount numeric(18,4) NOT NULL, local_currency char(3) NOT NULL, local_amount numeric(18,4),
    exchange_rate numeric(18,8), rate_date date, bank_account text, payee_account text, requested_by text,
    approved_by text, approved_at timestamp, approval_level text, block_code text, block_text text, memo text,
    buyer text, purchasing_group text, reversal_of text, created_at timestamptz NOT NULL, created_by text NOT NULL,
    updated_at timestamptz NOT NULL, updated_by text NOT NULL, PRIMARY KEY (payment_no, fiscal_year));
  CREATE INDEX ON payment (updated_at, payment_no, fiscal_year);
  CREATE TABLE payment_allocation (
    payment_no text, fiscal_year integer, line_no integer, invoice_no text, supplier_invoice_no text, order_no text,
    due_date date, amount numeric(18,4) NOT NULL, discount numeric(18,4) NOT NULL,
    withholding_tax numeric(18,4) NOT NULL, PRIMARY KEY (payment_no, fiscal_year, line_no));
  CREATE TABLE stock (
    plant_code text, warehouse_code text, item_no text, batch_no text, stock_type char(1), company_code text NOT NULL,
    plant_name text, warehouse_name text, item_name text NOT NULL, item_spec text, bin text, expiry_date date,
    on_hand numeric(18,3) NOT NULL, reserved numeric(18,3) NOT NULL, on_order numeric(18,3),
    in_transit numeric(18,3), unit text NOT NULL, currency char(3) NOT NULL, stock_value numeric(18,4),
    reorder_point numeric(18,3), safety_stock numeric(18,3), maximum_stock numeric(18,3), last_movement_at timestamp,
    updated_at timestamptz NOT NULL, PRIMARY KEY (plant_code, warehouse_code, item_no, batch_no, stock_type));
  CREATE INDEX ON stock (updated_at, plant_code, warehouse_code, item_no, batch_no, stock_type);`

/**
 * Fifteen months of documents of a hardware trader in Hong Kong with a branch in Viet Nam: 300 purchase orders, 1,200
 * payments and 40 stock levels, some of them below their reorder point already. The same every time.
 */
export const DATA = `
  CREATE TABLE supplier (number text, name text, company text, currency char(3));
  INSERT INTO supplier VALUES
    ('0000100077', '東莞市精誠五金製品有限公司', '001', 'HKD'), ('0000100081', '佛山順德華泰緊固件廠', '001', 'HKD'),
    ('0000100093', 'Kowloon Bearing & Tools Ltd.', '001', 'HKD'), ('0000100102', '寧波北侖標準件有限公司', '001', 'USD'),
    ('0000200011', 'Công ty TNHH Cơ khí Bình Minh', '002', 'VND'), ('0000200015', 'Công ty CP Vật tư Sài Gòn', '002', 'VND'),
    ('0000200023', 'Công ty TNHH Thép Đại Phát', '002', 'VND'), ('0000100110', 'Shenzhen Lihua Packaging Co.', '001', 'USD');
  CREATE TABLE product (number text, name text, spec text, unit text, price numeric(18,4));
  INSERT INTO product VALUES
    ('0001042', '膨脹螺絲 M8', 'M8×60', 'BOX', 38.5), ('0001043', '膨脹螺絲 M10', 'M10×80', 'BOX', 52),
    ('0001107', '不鏽鋼六角螺栓 M8', '304, M8×40', 'PCS', 1.15), ('0001108', '不鏽鋼六角螺栓 M12', '304, M12×50', 'PCS', 2.4),
    ('0001201', 'Vòng bi 6204-2RS', '20×47×14', 'PCS', 21.8), ('0001202', 'Vòng bi 6205-2RS', '25×52×15', 'PCS', 26),
    ('0001310', 'Dây đai an toàn 2 m', 'EN 358', 'SET', 148), ('0001404', '切割片 4 寸', '105×1.2×16', 'PCS', 3.2),
    ('0001405', '打磨片 4 寸', '100×16, P80', 'PCS', 4.6), ('0001500', 'Keo silicone trung tính', '300 ml', 'PCS', 17.5);

  INSERT INTO purchase_order
  SELECT 'PO26' || lpad(n::text, 6, '0'), s.company, 'STD', (ARRAY['C','C','C','V','L','R','P','D'])[1 + n % 8],
    date '2025-09-01' + n, s.number, s.name, NULL, s.currency, CASE s.currency WHEN 'USD' THEN 7.79 ELSE 1 END,
    date '2025-09-01' + n, (ARRAY['LAN','CHEN','DANIEL'])[1 + n % 3], 'G' || 1 + n % 3, 'N30', '30 days net', 30,
    'FOB', 'Yantian', false, 0, 0, 0, false, timestamptz '2025-09-01 02:00Z' + n * interval '1 day', 'IMPORT',
    timestamptz '2025-09-02 02:00Z' + n * interval '1 day', 'IMPORT'
  FROM generate_series(1, 300) n JOIN LATERAL (SELECT * FROM supplier ORDER BY number OFFSET n % 8 LIMIT 1) s ON true;
  INSERT INTO purchase_order_line
  SELECT o.order_no, l * 10, p.number, p.name, p.spec, CASE o.company_code WHEN '001' THEN 'HK01' ELSE 'VN01' END,
    'A', 20 + (l * 37 + length(p.name)) % 200, p.unit,
    CASE o.currency WHEN 'VND' THEN round(p.price * 3200, 0) ELSE p.price END, 1, NULL, NULL, NULL, 0, NULL,
    o.order_date + 21, 0, 0, NULL, o.status = 'C'
  FROM purchase_order o CROSS JOIN generate_series(1, 3) l
  JOIN LATERAL (SELECT * FROM product ORDER BY number OFFSET (l * 3 + o.terms_days + right(o.order_no, 2)::int) % 10 LIMIT 1) p ON true;
  UPDATE purchase_order_line SET net_amount =
    round(quantity * unit_price, CASE WHEN plant_code = 'VN01' THEN 0 ELSE 2 END);
  UPDATE purchase_order o SET net_amount = t.net, gross_amount = t.net
  FROM (SELECT order_no, sum(net_amount) AS net FROM purchase_order_line GROUP BY order_no) t WHERE t.order_no = o.order_no;

  INSERT INTO payment
  SELECT 'P' || lpad(n::text, 7, '0'), CASE WHEN n <= 700 THEN 2025 ELSE 2026 END, s.company, 'O',
    (ARRAY['TT','TT','TT','CHQ','NOTE'])[1 + n % 5], CASE WHEN n > 1180 THEN 'P' ELSE 'C' END, s.number, s.name,
    date '2025-09-01' + n / 3, date '2025-09-02' + n / 3, date '2025-10-01' + n / 3, NULL, s.currency,
    CASE s.currency WHEN 'VND' THEN 1000000 * (7 + n % 90) ELSE round(1200 + (n % 97) * 431.37, 2) END,
    CASE s.company WHEN '001' THEN 'HKD' ELSE 'VND' END, NULL, NULL, NULL, '012-345678-001', '888-00' || n || '-77',
    'LAN', CASE WHEN n > 1180 THEN NULL ELSE 'HUANG' END, CASE WHEN n > 1180 THEN NULL ELSE timestamp '2025-09-02 10:00' END,
    NULL, NULL, NULL, 'Goods as ordered', 'LAN', 'G1', NULL, timestamptz '2025-09-01 02:00Z' + n * interval '8 hours',
    'IMPORT', timestamptz '2025-09-01 03:00Z' + n * interval '8 hours', 'IMPORT'
  FROM generate_series(1, 1200) n JOIN LATERAL (SELECT * FROM supplier ORDER BY number OFFSET n % 8 LIMIT 1) s ON true;
  INSERT INTO payment_allocation
  SELECT payment_no, fiscal_year, 1, 'INV' || right(payment_no, 5), 'S-' || right(payment_no, 4), NULL, due_date, amount, 0, 0
  FROM payment;

  INSERT INTO stock
  SELECT w.plant, w.code, p.number, '', 'F', w.company, w.plant_name, w.name, p.name, p.spec, 'A-' || b, NULL,
    120 + (b * 53 + length(p.name) * 7) % 400, (b * 11) % 40, 0, 0, p.unit, w.currency, NULL, 100, 40, NULL,
    timestamp '2026-10-01 09:00', timestamptz '2026-10-01 02:00Z' + b * interval '1 hour'
  FROM product p CROSS JOIN (VALUES
    ('HK01', 'KC-A', '001', '葵涌', '葵涌 A 倉', 'HKD'), ('HK01', 'KC-B', '001', '葵涌', '葵涌 B 倉', 'HKD'),
    ('VN01', 'BD-1', '002', 'Bình Dương', 'Kho Bình Dương 1', 'VND'), ('VN01', 'BD-2', '002', 'Bình Dương', 'Kho Bình Dương 2', 'VND')
  ) w (plant, code, company, plant_name, name, currency)
  CROSS JOIN LATERAL (SELECT abs(hashtext(p.number || w.code)) % 90 AS b) r;
  UPDATE stock SET on_hand = 60 WHERE item_no IN ('0001404', '0001405') AND warehouse_code = 'KC-B';`
