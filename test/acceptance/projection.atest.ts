import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createProjections } from '../../gateway/node/projection.ts'
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
    const folder = join(shop.folder, 'data', 'projections')
    const before = contentOf(folder)
    expect(before).toHaveLength(ROWS)

    const lane = join(folder, 'erp.articles')
    const damages: Readonly<Record<string, () => void>> = {
      deleted: () => rmSync(lane, { recursive: true }),
      'altered in 100 places': () => alter(lane, 100),
      'altered in one place': () => alter(lane, 1),
      'cut short': () => truncateSync(largestFile(lane), 1_000),
      'robbed of its rows': () => rmSync(largestFile(lane)),
      'ahead of the log': () => moveAhead(folder),
    }
    for (const [name, damage] of Object.entries(damages)) {
      damage()
      await shop.runOnce()
      expect(await shop.events(), name).toHaveLength(ROWS)
      expect(contentOf(folder), name).toEqual(before)
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

/** What the projection says of every article. */
function contentOf(folder: string): readonly unknown[] {
  const projection = createProjections(folder).open('erp.articles')
  const keys = Array.from({ length: ROWS }, (_, index) => `A${String(index + 1).padStart(6, '0')}`)
  const rows = [...projection.rows(keys).values()]
  projection.close()
  return rows.map(({ readOrder, ...row }) => row)
}

function largestFile(lane: string): string {
  const files = readdirSync(lane).map((name) => join(lane, name))
  return files.sort((a, b) => statSync(b).size - statSync(a).size)[0] ?? lane
}

/** Lets the projection say that it follows more than the log has. */
function moveAhead(folder: string): void {
  const projection = createProjections(folder).open('erp.articles')
  const applied = projection.applied()
  if (applied === null) throw new Error('The projection is empty.')
  const moved = Object.entries(applied.positions).map(([place, position]) => [place, position + 1])
  projection.apply({ rows: [], applied: { ...applied, positions: Object.fromEntries(moved) } })
  projection.close()
}

/** Flips a bit in as many places, evenly over the largest file. */
function alter(lane: string, places: number): void {
  const file = largestFile(lane)
  const bytes = readFileSync(file)
  for (let place = 0; place < places; place += 1) {
    const at = Math.floor(((place + 0.5) * bytes.length) / places)
    bytes[at] = (bytes[at] ?? 0) ^ 4
  }
  writeFileSync(file, bytes)
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
