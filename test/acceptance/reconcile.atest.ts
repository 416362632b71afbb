import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect, test } from 'vitest'
import type { Statement } from '../../gateway/reconcile/statement.ts'
import { judge, marksOf } from '../chaos/judge.ts'
import type { Truth } from '../chaos/workload.ts'
import { contentOf, groupBy, type RowVersion } from '../kit/checkers/facts.ts'
import { readRecords } from '../kit/log-reading.ts'
import { seededRandom } from '../kit/random.ts'
import { describeWithService } from '../kit/services.ts'
import { addArticles, openShop, type Shop } from './shop/shop.ts'

describeWithService('postgres', 'a source compared with the log', (postgres) => {
  test('what no poll can see is found and named, and mended when asked for [P1 P2]', async () => {
    await using shop = await openShop(postgres, { config: (connection) => watched(connection) })
    await oldArticles(shop, 300)
    await shop.runOnce()
    await blindChanges(shop)
    await shop.runOnce()
    expect(await shop.events()).toHaveLength(300)

    const found = await shop.must(1, 'reconcile', 'erp', 'articles', '--json')
    expect(statementIn(found.out)).toMatchObject({
      ...{ rowsInSource: 299, rowsInLog: 300, missing: 1, changed: 2, deleted: 2, healed: 0, late: 0 },
    })
    expect(await shop.events()).toHaveLength(300)

    const healed = await shop.must(0, 'reconcile', 'erp', 'articles', '--heal', '--json', '--reason', 'audit')
    expect(statementIn(healed.out)).toMatchObject({ missing: 1, changed: 2, deleted: 2, healed: 5 })
    const events = (await shop.events()).filter(({ origin }) => origin === 'sweep')
    expect(events.map(({ type, subject }) => `${type.split('.')[2]} ${subject}`).toSorted()).toEqual([
      'changed A000003',
      'changed A000004',
      'created OLD-1',
      'deleted A000001',
      'deleted A000002',
    ])
    const quiet = await shop.must(0, 'reconcile', 'erp')
    expect(quiet.out).toMatch(/erp\.articles +299 +299 +0 +0 +0 +0 +0 +0/)
    expect(await readRecords(join(shop.folder, 'data'), 'gateway.statements')).toHaveLength(3)
  })

  test('a comparison on its schedule mends by itself [P1]', async () => {
    await using shop = await openShop(postgres, {
      config: (connection) => watched(connection, 'sweep: { every: 1s }'),
    })
    await oldArticles(shop, 50)
    await shop.runOnce()
    await blindChanges(shop)
    const gateway = shop.gateway.start(['run'])
    for (let looks = 0; looks < 200 && (await shop.events()).length < 55; looks += 1) await sleep(100)
    gateway.kill('SIGTERM')
    await gateway.ended
    expect((await shop.events()).filter(({ origin }) => origin === 'sweep')).toHaveLength(5)
  })

  test('a comparison on its schedule leaves a source alone in its blackout', async () => {
    const hour = (more: number) => `${String((new Date().getUTCHours() + more) % 24).padStart(2, '0')}:00`
    const closed = `    blackout: ["${hour(0)}-${hour(2)}"]\n    feeds:`
    const config = (connection: string) => watched(connection, 'sweep: { every: 1s }')
    await using shop = await openShop(postgres, { config })
    await oldArticles(shop, 50)
    await shop.runOnce()
    await blindChanges(shop)
    const open = readFileSync(join(shop.folder, 'gateway.yaml'), 'utf8')
    shop.write('gateway.yaml', open.replace('    feeds:', closed))
    const gateway = shop.gateway.start(['run'])
    await sleep(6_000)
    gateway.kill('SIGTERM')
    await gateway.ended
    expect(await shop.events()).toHaveLength(50)
  })

  test('an emptied table publishes nothing, until a person says that it is right [P10]', async () => {
    await using shop = await openShop(postgres, { config: (connection) => watched(connection) })
    await addArticles(shop, 300)
    await shop.runOnce()
    await shop.query('DELETE FROM article')
    const { out } = await shop.must(1, 'reconcile', 'erp', 'articles', '--heal')
    expect(out).toContain('300 records are deleted, where the fuse lets')
    expect(await shop.events()).toHaveLength(300)
    await shop.must(0, 'reconcile', 'erp', 'articles', '--heal', '--beyond-fuse', '--reason', 'closed down')
    expect(await shop.events()).toHaveLength(600)
  })

  test('a thousand inserts, updates, deletes and returns a second meanwhile: no false deletion, no false change [P1 P3 F31]', async () => {
    const config = (connection: string) => watched(connection, 'sweep: never\n        fuse: { deleted: off }')
    await using shop = await openShop(postgres, { config })
    await shop.query(HISTORY)
    await addArticles(shop, 2_000)
    await shop.runOnce()
    const gateway = shop.gateway.start(['run'])
    const writing = new AbortController()
    const written = Promise.all([0, 1, 2, 3].map((writer) => write(shop, writer, writing.signal)))
    const statements: Statement[] = []
    for (let round = 0; round < 4; round += 1) {
      const { out } = await shop.must(0, 'reconcile', 'erp', 'articles', '--heal', '--json')
      statements.push(statementIn(out))
    }
    writing.abort()
    const writes = (await written).reduce((sum, count) => sum + count, 0)
    await sleep(1_500)
    // Deletions are seen by comparisons alone.
    await shop.must(0, 'reconcile', 'erp', 'articles', '--heal')
    gateway.kill('SIGTERM')
    await gateway.ended
    const events = marksOf(await readRecords(join(shop.folder, 'data'), 'erp.item.v1'))
    expect(judge(events, await truthOf(shop))).toEqual([])
    expect(writes).toBeGreaterThan(1_000)
    expect(statements.some(({ late, healed }) => late + healed > 0)).toBe(true)
  })
})

/** Inserts, updates, deletes and returns, by keys that only this writer touches, and ten that all do. */
async function write(shop: Shop, writer: number, signal: AbortSignal): Promise<number> {
  const client = new pg.Client({ connectionString: shop.database.url })
  // The database is dropped over whoever is still connected where a test fails.
  client.on('error', () => undefined)
  await client.connect()
  const random = seededRandom(`writer ${writer}`)
  let writes = 0
  try {
    for (; !signal.aborted; writes += 1) {
      const shared = random.below(10) === 0
      const code = `A${String(shared ? random.below(10) + 1 : random.below(450) + 20 + writer * 450).padStart(6, '0')}`
      if (random.below(3) === 0) await client.query('DELETE FROM article WHERE code = $1', [code])
      else
        await client.query(
          `INSERT INTO article VALUES ($1, $2, '0010', 1, clock_timestamp())
           ON CONFLICT (code) DO UPDATE SET name = excluded.name, updated_at = clock_timestamp()`,
          [code, `Name ${writer}/${writes}`],
        )
      await sleep(2)
    }
  } finally {
    await client.end()
  }
  return writes
}

/** What was committed, by key in its order: a row is locked before its version is numbered. */
const HISTORY = `CREATE TABLE history (no bigserial PRIMARY KEY, code text NOT NULL, name text);
CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO history (code, name) VALUES (coalesce(new.code, old.code), new.name); RETURN NULL; END $$;
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON article FOR EACH ROW EXECUTE FUNCTION remember()`

async function truthOf(shop: Shop): Promise<Truth> {
  const rows = await shop.query('SELECT code, name FROM history ORDER BY no')
  const groups = groupBy(rows, (row) => `shop/001/${String(row['code'])}`)
  return new Map(
    [...groups].map(([key, versions]) => [
      key,
      versions.map((row): RowVersion => {
        const name = row['name'] as string | null
        return name === null
          ? { at: 0, kind: 'gone' }
          : { at: 0, kind: 'value', content: contentOf({ mark: name }) }
      }),
    ]),
  )
}

/** Articles that lie far below the newest one, where no poll looks again. */
async function oldArticles(shop: Shop, count: number): Promise<void> {
  await addArticles(shop, count)
  await shop.query(`UPDATE article SET updated_at = now() - interval '1 day' WHERE code < 'A000010'`)
}

/** Changes that leave no trace in the change column, or an old one. */
async function blindChanges(shop: Shop): Promise<void> {
  await shop.query(`DELETE FROM article WHERE code IN ('A000001', 'A000002')`)
  await shop.query(`UPDATE article SET name = 'Quietly' WHERE code IN ('A000003', 'A000004')`)
  await shop.query(`INSERT INTO article VALUES ('OLD-1', 'Old', '0010', 1, '2020-01-01Z')`)
}

function statementIn(out: string): Statement {
  return JSON.parse(out) as Statement
}

/** Articles by their change column. */
function watched(connection: string, more = 'sweep: never'): string {
  return `
companies:
  001: { name: Shop, currency: HKD, zone: Asia/Hong_Kong }
data: ./data
mappings: [./mappings]
sources:
  erp:
    kind: database
    system: shop
    company: 001
    zone: UTC
    connection: ${connection}
    poll: { every: 100ms }
    feeds:
      articles:
        mapping: shop/item
        table: article
        key: [code]
        ${more}
        cursor: { strategy: watermark, columns: [updated_at], overlap: 2s }
`
}
