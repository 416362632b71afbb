import { expect, test } from 'vitest'
import { createMemoryProjection } from '../../gateway/node/projection.ts'
import type { Projection, ProjectionChange, ProjectionRow } from '../../gateway/ports.ts'
import { type Random, seededRandom } from '../kit/random.ts'
import { createDisk } from './disk.ts'

const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8']

function randomRow(random: Random, sourceKey: string, recordKey: string): ProjectionRow {
  const revision = random.below(3)
  return {
    sourceKey,
    recordKey,
    revision,
    contentHash: String(random.below(9)),
    fieldDigests: '{}',
    sourceFingerprint: String(random.below(9)),
    readOrder: `n${random.between(10, 99)}`,
    mappingVersion: 'v1',
    deleted: random.chance(0.3),
    rejected: random.chance(0.3) ? 'print' : null,
    partition: random.below(2),
    offset: random.below(100),
  }
}

/** A change whose rows share no record key, with each other or with rows that it leaves alone. */
function randomChange(random: Random, held: ReadonlyMap<string, string>): ProjectionChange {
  const chosen = KEYS.filter(() => random.chance(0.4))
  const forgotten = KEYS.filter((key) => !chosen.includes(key) && random.chance(0.1))
  const gone = [...chosen, ...forgotten]
  const taken = new Set([...held].flatMap(([key, recordKey]) => (gone.includes(key) ? [] : [recordKey])))
  const rows = chosen.map((key) => {
    const free = KEYS.map((name) => `r${name}`).filter((recordKey) => !taken.has(recordKey))
    const recordKey = free.length === 0 || random.chance(0.2) ? '' : random.pick(free)
    taken.add(recordKey)
    return randomRow(random, key, recordKey)
  })
  const seen = {
    pass: `p${random.below(2)}`,
    batch: random.between(1, 3),
    keys: random.chance(0.5) ? KEYS : [],
  }
  return {
    rows,
    forgotten,
    applied: random.chance(0.5)
      ? { lineage: 'l', positions: { t: random.below(9) }, topicIds: {}, sequence: 1 }
      : null,
    ...(random.chance(0.3) ? { foreign: [`r${random.between(1, 9)}`] } : {}),
    ...(random.chance(0.5) ? { seen } : {}),
  }
}

/** Everything that a projection answers. */
function answers(projection: Projection): unknown {
  const records = KEYS.map((key) => `r${key}`)
  return {
    applied: projection.applied(),
    rows: [...projection.rows(KEYS)].sort(),
    owners: [...projection.owners(records)].sort(),
    foreign: [...projection.foreign(records)].sort(),
    contested: [...projection.contested(20)].sort(),
    passes: ['p0', 'p1'].map((pass) => projection.passBatches(pass)),
    highest: projection.highestReadOrder(),
    unseen: paged((after) => projection.unseen('n50', after, 3)),
    unseenLater: paged((after) => projection.unseen('n80', after, 2)),
    rejected: paged((after) => projection.rejected(after, 1)),
    count: projection.count(),
  }
}

/** All rows, page by page, in the order of their keys: each projection has one of its own. */
function paged(page: (after: string | null) => readonly ProjectionRow[]): readonly ProjectionRow[] {
  const all: ProjectionRow[] = []
  for (let rows = page(null); rows.length > 0; rows = page(all.at(-1)?.sourceKey ?? null)) all.push(...rows)
  return all.sort((a, b) => (a.sourceKey < b.sourceKey ? -1 : 1))
}

// What is gathered is written at once, after some changes, or never: the answers are the same.
test.each([0, 1_500, 1_000_000])(
  'answers as the real projection does, change after change, which gathers %i bytes',
  (gatheredBytesMax) => {
    for (let seed = 0; seed < 20; seed++) {
      const random = seededRandom(`disk ${seed}`)
      const real = createMemoryProjection({ gatheredBytesMax })
      const toy = createDisk().projections.open('lane')
      const held = new Map<string, string>()
      for (let step = 0; step < 25; step++) {
        const change = randomChange(random, held)
        for (const key of change.forgotten ?? []) held.delete(key)
        for (const { sourceKey, recordKey } of change.rows) held.set(sourceKey, recordKey)
        real.apply(change)
        toy.apply(change)
        expect(answers(toy), `seed ${seed}, step ${step}`).toEqual(answers(real))
      }
      real.reset()
      toy.reset()
      expect(answers(toy)).toEqual(answers(real))
      real.close()
    }
  },
)
