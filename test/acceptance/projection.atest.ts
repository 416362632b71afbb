import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { gaplessRevisions } from '../kit/checkers/gapless-revisions.ts'
import { uniqueIds } from '../kit/checkers/unique-ids.ts'
import { readEvents } from '../kit/log-reading.ts'
import { describeWithService } from '../kit/services.ts'
import { addArticles, openShop, type Shop } from './shop/shop.ts'

const ROWS = 500

describeWithService('postgres', 'what is on disk beside the log', (postgres) => {
  test('a projection that was deleted, altered in 100 places, cut short or is ahead of the log is rebuilt with 0 events [P2 P10]', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, ROWS)
    await shop.runOnce()
    const file = join(shop.folder, 'data', 'projections', 'erp.articles.sqlite')
    const before = contentOf(file)
    expect(before).toHaveLength(ROWS)

    const damages: Readonly<Record<string, () => void>> = {
      deleted: () => removeDatabase(file),
      altered: () =>
        alter(
          file,
          `UPDATE row SET content_hash = 'x', revision = revision + 7 WHERE source_key <= 'A000100'`,
        ),
      'altered in one field': () =>
        alter(file, `UPDATE row SET field_digests = '{}' WHERE source_key = 'A000007'`),
      emptied: () => alter(file, 'DELETE FROM row'),
      'ahead of the log': () =>
        alter(
          file,
          `UPDATE state SET applied = replace(applied, '"positions":{', '"positions":{"erp.item.v1/9":1,')`,
        ),
    }
    for (const [name, damage] of Object.entries(damages)) {
      damage()
      await shop.runOnce()
      expect(await shop.events(), name).toHaveLength(ROWS)
      expect(contentOf(file), name).toEqual(before)
    }
    // It works on as if nothing had been: one change is one event, at revision 2.
    await shop.query(`UPDATE article SET name = 'Changed' WHERE code = 'A000001'`)
    await shop.runOnce()
    const events = await shop.events()
    expect(events).toHaveLength(ROWS + 1)
    expect(events.filter(({ subject }) => subject === 'A000001').map(({ revision }) => revision)).toEqual([
      1, 2,
    ])
  })

  test('a projection from before or after its log, as backups leave it, is never believed', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, ROWS)
    await shop.runOnce()
    const early = keep(shop, 'projections', 'early')
    await shop.query(`UPDATE article SET name = 'Changed' WHERE code <= 'A000050'`)
    await shop.runOnce()
    expect(await shop.events()).toHaveLength(ROWS + 50)
    putBack(shop, 'projections', early)
    await shop.runOnce()
    expect(await shop.events()).toHaveLength(ROWS + 50)
  })

  test('a log restored from an older copy is caught up from the source: nothing is created again', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, ROWS)
    await shop.runOnce()
    const early = keep(shop, 'log', 'early')
    await shop.query(`UPDATE article SET name = 'Changed' WHERE code <= 'A000050'`)
    await shop.runOnce()
    expect(await shop.events()).toHaveLength(ROWS + 50)
    putBack(shop, 'log', early)
    await shop.gateway.erpgw('run', '--once')
    const published = await readEvents(join(shop.folder, 'data'), 'item')
    expect([...gaplessRevisions(published), ...uniqueIds(published)]).toEqual([])
    const created = published.filter(({ event }) => event.type === 'erp.item.created.v1')
    expect(created).toHaveLength(ROWS)
    expect(published).toHaveLength(ROWS + 50)
  })
})

function contentOf(file: string): readonly unknown[] {
  const database = new DatabaseSync(file, { readOnly: true })
  const rows = database
    .prepare(
      'SELECT source_key, record_key, revision, content_hash, field_digests, deleted, offset FROM row ORDER BY 1',
    )
    .all()
  database.close()
  return rows.map((row) => ({ ...row }))
}

function alter(file: string, statement: string): void {
  const database = new DatabaseSync(file)
  const { changes } = database.prepare(statement).run()
  database.close()
  expect(changes).toBeGreaterThan(0)
}

function removeDatabase(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
}

/** Copies a folder of the data aside; returns where. */
function keep(shop: Shop, name: string, as: string): string {
  const to = join(shop.folder, `${as}-${name}`)
  mkdirSync(to, { mode: 0o700 })
  cpSync(join(shop.folder, 'data', name), to, { recursive: true, preserveTimestamps: true })
  expect(readdirSync(to).length).toBeGreaterThan(0)
  return to
}

function putBack(shop: Shop, name: string, from: string): void {
  const to = join(shop.folder, 'data', name)
  rmSync(to, { recursive: true })
  renameSync(from, to)
  expect(existsSync(to)).toBe(true)
}
