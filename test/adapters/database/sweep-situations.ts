import { expect } from 'vitest'
import type { Sweep } from '../../../adapters/contract.ts'
import { Buckets, bucketOf } from '../../../gateway/reconcile/buckets.ts'
import type { Reader } from './reader.ts'
import { createReader, recordsOf } from './reader.ts'
import { type Situation, situation } from './situation.ts'
import { insert } from './words.ts'

const NEVER = new AbortController().signal

const BUCKETS = 16

/** What the database says of all parts, and the keys that it gives, each with its fingerprint. */
async function swept(sweep: Sweep): Promise<Readonly<{ sums: Buckets; keys: ReadonlyMap<string, string> }>> {
  const sums = new Buckets(BUCKETS)
  for (let after: string | null = null, more = true; more; ) {
    const { sums: part, next } = await sweep.digest('docs', { buckets: BUCKETS, after, rowsMax: 2 }, NEVER)
    for (const sum of part) sums.add(sum.bucket, sum)
    after = next
    more = next !== null
  }
  const keys = new Map<string, string>()
  const wanted = Array.from({ length: BUCKETS }, (_, bucket) => bucket)
  for (let after: string | null = null, more = true; more; ) {
    const part = { buckets: BUCKETS, wanted, after, rowsMax: 2 }
    const { keys: found, next } = await sweep.keys('docs', part, NEVER)
    for (const { key, fingerprint } of found) keys.set(key, fingerprint)
    after = next
    more = next !== null
  }
  return { sums, keys }
}

/** What the records that the reader read say of the same. */
async function read(reader: Reader): Promise<Readonly<{ sums: Buckets; keys: ReadonlyMap<string, string> }>> {
  const sums = new Buckets(BUCKETS)
  const keys = new Map<string, string>()
  for (const { key, fingerprint } of recordsOf(await reader.poll())) {
    keys.set(key, fingerprint ?? '')
    const sum = BigInt.asUintN(64, BigInt(fingerprint ?? 0))
    sums.add(bucketOf(key, BUCKETS), { count: 1, sum })
  }
  return { sums, keys }
}

/** The sums and keys of a comparison are those of the records, or everything would always differ. */
export const SWEEP_SITUATIONS: readonly Situation[] = [
  situation(
    'sums and keys of a comparison are those of the records, with strange keys and lines',
    async (source, table) => {
      const { types } = source.words
      const lines = `${table}_line`
      await source.erp(
        `CREATE TABLE [${table}] ([no] ${types.text(20)} NOT NULL PRIMARY KEY, [amount] ${types.decimal(12, 2)}, [note] ${types.text(20)})`,
        `CREATE TABLE [${lines}] ([no] ${types.text(20)} NOT NULL, [pos] int NOT NULL, [item] ${types.text(20)}, PRIMARY KEY ([no], [pos]))`,
        ...insert(
          table,
          ...[
            "'K-1', 1.50, 'a'",
            "'K/2', NULL, NULL",
            "'K%3', -0.01, ''",
            "'k4', 0.00, 'a,b'",
            "'5''5', 7.00, '\"'",
          ],
        ),
        ...insert(lines, ...["'K-1', 1, 'x'", "'K-1', 2, NULL", "'K/2', 1, 'x'", "'nobody', 1, 'x'"]),
      )
      const feed = {
        table,
        key: ['no'],
        lines: [{ name: 'lines', table: lines, key: ['pos'], on: { no: 'no' } }],
        cursor: { strategy: 'snapshot' },
      }
      for (const of of [feed, { ...feed, lines: [] }]) {
        const reader = createReader(await source.transport(), of)
        const { sweep } = reader.session
        // An engine that computes no fingerprints is compared by nobody.
        if (sweep === undefined) continue
        const [theirs, ours] = [await swept(sweep), await read(reader)]
        expect(theirs.keys).toEqual(ours.keys)
        expect(theirs.sums.differing(ours.sums)).toEqual([])
        expect(theirs.sums.rows).toBe(5)
      }
    },
  ),
]
