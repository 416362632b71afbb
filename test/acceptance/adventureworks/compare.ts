import Big from 'big.js'
import type pg from 'pg'
import type { Event } from '../../../gateway/event.ts'

/** How one entity of the log is held against its table: each row once, with these values, and these sums. */
export type Comparison = Readonly<{
  entity: string
  /** Text of every compared value by SQL; the first column is the subject. */
  rows: string
  /** The same values out of an event's data, in the same order without the subject. */
  values(data: Event['data']): readonly unknown[]
  /** Exact sums by SQL, and what they add up in an event. */
  sums: Readonly<Record<string, Readonly<{ sql: string; of(data: Event['data']): readonly unknown[] }>>>
}>

const amount = (value: unknown): unknown => (value as { value?: unknown } | null)?.value ?? null
const code = (value: unknown): unknown => (value as { raw?: unknown } | null)?.raw ?? null
const at = (value: unknown, name: string): unknown =>
  (value as Record<string, unknown> | null)?.[name] ?? null
const lines = (data: Event['data']) => data['lines'] as readonly Record<string, unknown>[]

export const COMPARISONS: readonly Comparison[] = [
  {
    entity: 'purchase-order',
    rows: `SELECT h.purchaseorderid::text, h.status::text, to_char(h.orderdate, 'YYYY-MM-DD'), h.vendorid::text,
        h.subtotal::text, h.taxamt::text, h.totaldue::text, (SELECT string_agg(concat_ws('|', d.purchaseorderdetailid,
        d.productid, d.orderqty, d.unitprice, d.linetotal, d.receivedqty), ';' ORDER BY d.purchaseorderdetailid)
        FROM purchaseorderdetail d WHERE d.purchaseorderid = h.purchaseorderid)
      FROM purchaseorderheader h`,
    values: (data) => [
      code(data['status']),
      data['orderDate'],
      code(data['supplier']),
      amount(at(data['totals'], 'net')),
      amount(at(data['totals'], 'tax')),
      amount(at(data['totals'], 'gross')),
      [...lines(data)]
        .sort((a, b) => Number(a['line']) - Number(b['line']))
        .map((line) =>
          [
            line['line'],
            code(line['item']),
            amount(line['ordered']),
            amount(line['unitPrice']),
            amount(line['net']),
            amount(line['received']),
          ].join('|'),
        )
        .join(';'),
    ],
    sums: {
      subtotal: {
        sql: 'SELECT sum(subtotal)::text FROM purchaseorderheader',
        of: (data) => [amount(at(data['totals'], 'net'))],
      },
      totaldue: {
        sql: 'SELECT sum(totaldue)::text FROM purchaseorderheader',
        of: (data) => [amount(at(data['totals'], 'gross'))],
      },
      lines: {
        sql: 'SELECT count(*)::text FROM purchaseorderdetail',
        of: (data) => lines(data).map(() => '1'),
      },
      linetotal: {
        sql: 'SELECT sum(linetotal)::text FROM purchaseorderdetail',
        of: (data) => lines(data).map((line) => amount(line['net'])),
      },
      received: {
        sql: 'SELECT sum(receivedqty)::text FROM purchaseorderdetail',
        of: (data) => lines(data).map((line) => amount(line['received'])),
      },
    },
  },
  {
    entity: 'partner',
    rows: `SELECT businessentityid::text, accountnumber, name, CASE WHEN activeflag THEN 'false' ELSE 'true' END FROM vendor`,
    values: (data) => [data['raw'], data['name'], String(data['blocked'])],
    sums: {},
  },
  {
    entity: 'item',
    rows: `SELECT productid::text, name, productnumber, standardcost::text, listprice::text, weight::text FROM product`,
    values: (data) => [
      at(data['item'], 'name'),
      at(data['item'], 'spec'),
      amount(data['standardCost']),
      amount(data['listPrice']),
      amount(data['netWeight']),
    ],
    sums: {
      listprice: {
        sql: 'SELECT sum(listprice)::text FROM product',
        of: (data) => [amount(data['listPrice'])],
      },
    },
  },
  {
    entity: 'stock-level',
    rows: `SELECT locationid || '/' || productid, quantity::text FROM productinventory`,
    values: (data) => [amount(data['onHand'])],
    sums: {
      quantity: {
        sql: 'SELECT sum(quantity)::text FROM productinventory',
        of: (data) => [amount(data['onHand'])],
      },
    },
  },
]

/** Differences between the newest events of an entity and its table, as sentences; none when both say the same. */
export async function compare(
  client: pg.Client,
  comparison: Comparison,
  newest: ReadonlyMap<string, Event>,
): Promise<readonly string[]> {
  const { rows } = await client.query<(string | null)[]>({ text: comparison.rows, rowMode: 'array' })
  const differences: string[] = []
  if (rows.length !== newest.size) differences.push(`${rows.length} rows, ${newest.size} records in the log`)
  for (const [subject, ...expected] of rows) {
    const event = newest.get(String(subject))
    if (event === undefined) differences.push(`${subject} is missing`)
    else {
      const found = comparison.values(event.data)
      expected.forEach((value, index) => {
        if (!isSame(value, found[index]))
          differences.push(`${subject}: ${value} in the ERP, ${String(found[index])} in the log`)
      })
    }
  }
  for (const [name, { sql, of }] of Object.entries(comparison.sums)) {
    const [sum] = (await client.query<[string]>({ text: sql, rowMode: 'array' })).rows
    const total = [...newest.values()]
      .flatMap((event) => of(event.data))
      .reduce<Big>((all, value) => all.plus(String(value)), new Big(0))
    if (!total.eq(String(sum?.[0])))
      differences.push(`sum of ${name}: ${sum?.[0]} in the ERP, ${total.toFixed()} in the log`)
  }
  return differences
}

/** The same text, or the same number however its zeros are written. */
function isSame(expected: string | null, found: unknown): boolean {
  if (expected === null || found === null || found === undefined) return expected === (found ?? null)
  const [left, right] = [expected, String(found)].map((text) =>
    text.replace(/-?[0-9]*\.[0-9]+/g, (number) => new Big(number).toFixed()),
  )
  return left === right
}
