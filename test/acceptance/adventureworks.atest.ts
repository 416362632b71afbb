import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, test } from 'vitest'
import { gaplessRevisions } from '../kit/checkers/gapless-revisions.ts'
import { uniqueIds } from '../kit/checkers/unique-ids.ts'
import { type Installation, installation } from '../kit/gateway-process.ts'
import { EMBEDDED, newestBySubject, onKafka, readEvents, type TestLog } from '../kit/log-reading.ts'
import { seededRandom } from '../kit/random.ts'
import { describeUnless, describeWithService, type Postgres } from '../kit/services.ts'
import { COMPARISONS, compare } from './adventureworks/compare.ts'
import { loadSample, sampleFolder } from './adventureworks/tables.ts'

const folder = sampleFolder()
const missing =
  folder === null ? 'no AdventureWorks sample; set ERPGW_TEST_DATA to the folder of test data' : null

describeUnless(missing, 'AdventureWorks', () => {
  describeWithService('postgres', 'on PostgreSQL', (postgres) => {
    test('every row is in the log once with exact values, and so is every change of 1,000 random rows [P1 P4]', () =>
      loadAndChange(postgres, EMBEDDED))

    describeWithService('kafka', 'with the log on Kafka', (kafka) => {
      test('every row is on Kafka once with exact values, and so is every change of 1,000 random rows [P1 P4]', () =>
        loadAndChange(postgres, onKafka(kafka.address)))
    })
  })
})

async function loadAndChange(postgres: Postgres, log: TestLog): Promise<void> {
  await using database = await postgres.database()
  const place = mkdtempSync(join(tmpdir(), 'erpgw-aw-'))
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    await loadSample(client, folder ?? '')
    const gateway = installation(
      place,
      { 'gateway.yaml': configFor(database.url, log) },
      { AW_PASSWORD: new URL(database.url).password },
    )
    expect(await differences(gateway, client, log)).toEqual([])
    expect((await readEvents(`${place}/data`, '', log)).length).toBe(4_012 + 104 + 504 + 1_069)

    const changed = await changeRows(client, 1_000)
    expect(changed).toBe(1_000)
    expect(await differences(gateway, client, log)).toEqual([])
    const events = await readEvents(`${place}/data`, '', log)
    expect(events.length).toBe(4_012 + 104 + 504 + 1_069 + changed)
    expect([...gaplessRevisions(events), ...uniqueIds(events)]).toEqual([])

    // The comparison itself: a row changed behind the gateway's back is a difference, and so is its sum.
    await client.query(
      'UPDATE productinventory SET quantity = quantity + 1 WHERE productid = 1 AND locationid = 1',
    )
    expect(await differences(gateway, client, log)).toHaveLength(2)
  } finally {
    await client.end()
    rmSync(place, { recursive: true, force: true })
  }
}

/** Runs the gateway to its end and holds the log against the tables. */
async function differences(
  gateway: Installation,
  client: pg.Client,
  log: TestLog,
): Promise<readonly string[]> {
  const { code, err, out } = await gateway.erpgw('run', '--once')
  expect(code, err + out).toBe(0)
  const found: string[] = []
  for (const comparison of COMPARISONS) {
    const newest = newestBySubject(await readEvents(`${gateway.folder}/data`, comparison.entity, log))
    for (const difference of await compare(client, comparison, newest)) {
      found.push(`${comparison.entity} ${difference}`)
    }
  }
  return found
}

/** Changes so many different rows, at random and exactly; how many records changed by it. */
async function changeRows(client: pg.Client, count: number): Promise<number> {
  const random = seededRandom('adventureworks')
  const changes = [
    { table: 'vendor', key: 'businessentityid', set: "name = name || ' & Söhne 采购'" },
    { table: 'productinventory', key: 'productid, locationid', set: 'quantity = quantity + 1' },
    { table: 'product', key: 'productid', set: 'listprice = listprice + 0.0100' },
    {
      table: 'purchaseorderheader',
      key: 'purchaseorderid',
      set: 'subtotal = subtotal + 0.0001, totaldue = totaldue + 0.0001',
    },
  ] as const
  let changed = 0
  for (const [index, { table, key, set }] of changes.entries()) {
    const { rows } = await client.query<{ ctid: string }>(`SELECT ctid::text FROM ${table} ORDER BY ${key}`)
    const wanted = index === changes.length - 1 ? count - changed : Math.min(rows.length, 200)
    const picked = shuffled(
      rows.map((row) => row.ctid),
      random,
    ).slice(0, wanted)
    await client.query(
      `UPDATE ${table} SET ${set}, modifieddate = localtimestamp WHERE ctid = ANY($1::tid[])`,
      [picked],
    )
    changed += picked.length
  }
  return changed
}

function shuffled<Item>(items: readonly Item[], random: ReturnType<typeof seededRandom>): Item[] {
  const result = [...items]
  for (let index = result.length - 1; index > 0; index -= 1) {
    const other = random.below(index + 1)
    const [a, b] = [result[index], result[other]]
    if (a !== undefined && b !== undefined) {
      result[index] = b
      result[other] = a
    }
  }
  return result
}

function configFor(databaseUrl: string, log: TestLog): string {
  const { hostname, port, username, pathname } = new URL(databaseUrl)
  const feed = (name: string, mapping: string, table: string, key: string, more = '') => `
      ${name}:
        mapping: adventureworks/${mapping}
        table: ${table}
        key: [${key}]
        cursor: { strategy: watermark, columns: [modifieddate], overlap: 10s }${more}`
  const lines = `
        lines: [{ name: lines, table: purchaseorderdetail, key: [purchaseorderid, purchaseorderdetailid], on: { purchaseorderid: purchaseorderid } }]`
  return `
companies:
  AW: { name: AdventureWorks, currency: USD, zone: America/Los_Angeles }
data: ./data
${log.config}
sources:
  aw:
    kind: database
    system: adventureworks
    company: AW
    zone: America/Los_Angeles
    connection: { engine: postgres, host: ${hostname}, port: ${port}, database: ${pathname.slice(1)}, user: ${username}, password: env:AW_PASSWORD }
    feeds:${feed('orders', 'purchase-order', 'purchaseorderheader', 'purchaseorderid', lines)}${feed('vendors', 'partner', 'vendor', 'businessentityid')}${feed('products', 'item', 'product', 'productid')}${feed('inventory', 'stock-level', 'productinventory', 'locationid, productid')}
`
}
