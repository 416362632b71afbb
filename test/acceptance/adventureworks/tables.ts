import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'

/** The tables that the test loads, with their columns as the sample's README gives them. */
const TABLES = {
  purchaseorderheader: {
    file: 'PurchaseOrderHeader.csv',
    columns:
      'purchaseorderid int, revisionnumber smallint, status smallint, employeeid int, vendorid int, shipmethodid int, orderdate timestamp, shipdate timestamp, subtotal numeric(19,4), taxamt numeric(19,4), freight numeric(19,4), totaldue numeric(19,4), modifieddate timestamp',
    key: 'purchaseorderid',
  },
  purchaseorderdetail: {
    file: 'PurchaseOrderDetail.csv',
    columns:
      'purchaseorderid int, purchaseorderdetailid int, duedate timestamp, orderqty smallint, productid int, unitprice numeric(19,4), linetotal numeric(19,4), receivedqty numeric(8,2), rejectedqty numeric(8,2), stockedqty numeric(9,2), modifieddate timestamp',
    key: 'purchaseorderdetailid',
  },
  vendor: {
    file: 'Vendor.csv',
    columns:
      'businessentityid int, accountnumber varchar(15), name varchar(50), creditrating smallint, preferredvendorstatus boolean, activeflag boolean, purchasingwebserviceurl varchar(1024), modifieddate timestamp',
    key: 'businessentityid',
  },
  product: {
    file: 'Product.csv',
    columns:
      'productid int, name varchar(50), productnumber varchar(25), makeflag boolean, finishedgoodsflag boolean, color varchar(15), safetystocklevel smallint, reorderpoint smallint, standardcost numeric(19,4), listprice numeric(19,4), size varchar(5), sizeunitmeasurecode char(3), weightunitmeasurecode char(3), weight numeric(8,2), daystomanufacture int, productline char(2), class char(2), style char(2), productsubcategoryid int, productmodelid int, sellstartdate timestamp, sellenddate timestamp, discontinueddate timestamp, rowguid uuid, modifieddate timestamp',
    key: 'productid',
  },
  productinventory: {
    file: 'ProductInventory.csv',
    columns:
      'productid int, locationid smallint, shelf varchar(10), bin smallint, quantity smallint, rowguid uuid, modifieddate timestamp',
    key: 'locationid, productid',
  },
} as const

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** The sample's folder, or null where it is not here. */
export function sampleFolder(): string | null {
  const data = process.env['ERPGW_TEST_DATA'] ?? join(ROOT, '..', 'shared', 'data')
  const folder = join(data, 'adventureworks')
  return existsSync(join(folder, 'PurchaseOrderHeader.csv')) ? folder : null
}

/** Makes the tables and fills them from the files, unchanged: tabs between fields, an empty field is NULL. */
export async function loadSample(client: pg.Client, folder: string): Promise<void> {
  for (const [table, { file, columns, key }] of Object.entries(TABLES)) {
    await client.query(`CREATE TABLE ${table} (${columns}, PRIMARY KEY (${key}))`)
    await client.query(`CREATE INDEX ON ${table} (modifieddate, ${key})`)
    const rows = readFileSync(join(folder, file), 'utf8')
      .split(/\r?\n/)
      .filter((line) => line !== '')
      .map((line) => line.split('\t').map((field) => (field === '' ? null : field)))
    await insert(client, table, rows)
  }
}

const ROWS_AT_ONCE = 1_000

async function insert(client: pg.Client, table: string, rows: readonly (string | null)[][]): Promise<void> {
  for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
    const some = rows.slice(start, start + ROWS_AT_ONCE)
    const width = some[0]?.length ?? 0
    const columns = Array.from({ length: width }, (_, column) => some.map((row) => row[column] ?? null))
    const types = await columnTypes(client, table)
    const parameters = types.map((type, column) => `$${column + 1}::text[]::${type}[]`).join(', ')
    await client.query(`INSERT INTO ${table} SELECT * FROM unnest(${parameters})`, columns)
  }
}

async function columnTypes(client: pg.Client, table: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ type: string }>(
    `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`,
    [table],
  )
  return rows.map(({ type }) => type)
}
