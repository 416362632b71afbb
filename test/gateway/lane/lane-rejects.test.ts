import { describe, expect, test } from 'vitest'
import type { Mapping } from '../../../gateway/mapping/mapping.ts'
import {
  type Bench,
  createBench,
  decision,
  events,
  NO_FUSES,
  rejects,
  runOnce,
  story,
  toyMapping,
  verb,
} from './lane-bench.ts'
import { delivers, put, record, torn } from './table-source.ts'

/** A mapping that understands `poison`: as 0. */
function mended(): Mapping {
  return {
    ...toyMapping('v2'),
    map: (source) => toyMapping().map({ ...source, data: { ...source.data, amount: '0' } }),
  }
}

function retry(bench: Bench, mapping = toyMapping()) {
  return verb(bench, { verb: 'retry-rejects', feed: 'payments' }, { mapping })
}

async function codes(bench: Bench): Promise<unknown[]> {
  return (await rejects(bench.log)).map(({ code }) => code)
}

describe('a record that cannot be understood', () => {
  test('is written once, not at every re-read, and its neighbours flow [P5]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    bench.projections.clear()
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    const found = await rejects(bench.log)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({ code: 'VALUE_REFUSED', field: 'amount', rule: 'toy/payment.yaml:7' })
    const raw = Buffer.from(String(found[0]?.['raw']), 'base64').toString()
    expect(JSON.parse(raw)).toEqual({ number: 'P1', amount: 'poison' })
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A'])
  })

  test('stops nothing when JSON cannot say a value of it [P5]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: Number.NaN })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    expect((await runOnce(bench)).stopped).toBeNull()
    expect(await codes(bench)).toEqual(['RECORD_INVALID'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A'])
  })

  test('stops nothing when its source key holds half of a surrogate pair [P5]', async () => {
    const bench = createBench()
    put(bench.table, 'k\ud800', { number: 'P1', amount: 'A' })
    put(bench.table, 'k\ud801', { number: 'P2', amount: 'B' })
    put(bench.table, 'k3', { number: 'P3', amount: 'C' })
    expect((await runOnce(bench)).stopped).toBeNull()
    expect((await rejects(bench.log)).map(({ reason }) => reason)).toEqual(
      Array(2).fill('Its key holds half of a surrogate pair.'),
    )
    expect((await events(bench.log)).map(({ subject }) => subject)).toEqual(['P3'])
  })

  test('is one reject though a batch holds it twice', async () => {
    const bench = createBench()
    await runOnce(bench, { session: delivers([{ unreadable: [torn('k1'), torn('k1')] }]) })
    expect(await codes(bench)).toEqual(['UNREADABLE'])
  })

  test('leaves its row understood where the same batch has a version that can be read', async () => {
    const bench = createBench()
    const good = record('k1', { number: 'P1', amount: 'A' })
    const session = delivers([{ records: [good], unreadable: [torn('k1')] }])
    const status = await runOnce(bench, { session })
    expect(status.rows).toEqual({ live: 1, deleted: 0, rejected: 0 })
    expect(await codes(bench)).toEqual(['UNREADABLE'])
  })
})

describe('trying rejects again', () => {
  test.each([
    ['from the source', true],
    ['from the log where the source cannot read single rows', false],
  ])('publishes them once the mapping is mended, %s', async (_, canRead) => {
    const bench = createBench()
    bench.table.canRead = canRead
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    expect(await retry(bench, mended())).toEqual({ tried: 1, published: 1, rejectedAgain: 0 })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 0'])
  })

  test('is refused by a gateway that still has another mapping than the files say, and says which', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    const retried = { verb: 'retry-rejects', feed: 'payments', mapping: 'v2' } as const
    await expect(verb(bench, retried)).rejects.toThrow(
      /still has the mapping toy\/payment as it read it at \d{4}-\d\d-\d\dT[\d:.]+Z \(version v1\).* [Rr]estart it/,
    )
    const remap = { ...retried, verb: 'remap', mode: 'publish', decision } as const
    await expect(verb(bench, remap)).rejects.toThrow('restart it first')
    expect(await codes(bench)).toHaveLength(1)
    expect(await verb(bench, retried, { mapping: mended() })).toMatchObject({ published: 1 })
  })

  test('no longer counts a rejected row that is gone', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    bench.table.rows.delete('k1')
    expect(await retry(bench)).toEqual({ tried: 1, published: 0, rejectedAgain: 0 })
  })

  test('never publishes from the log an older version than was published [P3]', async () => {
    const bench = createBench()
    bench.table.canRead = false
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    // A later version that nobody can read: the newest reject that can be tried again is older than what was published.
    await runOnce(bench, { session: delivers([{ unreadable: [torn('k1')] }]) })
    await retry(bench, mended())
    expect(await story(bench.log, 'P1')).toEqual(['created 1 B'])
  })
})

describe('a retry', () => {
  test('is not stopped by a fuse for records that are created: a person asked for them [P5]', async () => {
    const bench = createBench()
    for (const row of [1, 2, 3]) put(bench.table, `k${row}`, { number: `P${row}`, amount: 'poison' })
    await runOnce(bench)
    const fuse = { ...NO_FUSES, created: { atLeast: 1, percent: 1 } }
    const retried = verb(bench, { verb: 'retry-rejects', feed: 'payments' }, { mapping: mended(), fuse })
    expect(await retried).toMatchObject({ tried: 3, published: 3, rejectedAgain: 0 })
  })

  test('forgets what was wrong with a record that is gone from its source', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    bench.table.rows.delete('k1')
    expect(await retry(bench)).toMatchObject({ tried: 1, rejectedAgain: 0 })
    expect(await retry(bench)).toMatchObject({ tried: 0, rejectedAgain: 0 })
  })
})
