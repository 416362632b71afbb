import { describe, expect, test } from 'vitest'
import {
  atWork,
  type Bench,
  createBench,
  decision,
  deleted,
  events,
  type LaneOptions,
  laneOf,
  NO_FUSES,
  rejects,
  runOnce,
  story,
  until,
  verb,
} from './lane-bench.ts'
import { breaksAfter, put, putMany, record, type Table } from './table-source.ts'

const fuse = { ...NO_FUSES, deleted: { atLeast: 2, percent: 0 } }

function allow(bench: Bench, options: LaneOptions) {
  return verb(bench, { verb: 'decide', feed: 'payments', allow: true, decision }, options)
}

/** Every row of the table is deleted, and the feed says so. */
function empty(table: Table): void {
  for (const key of table.rows.keys()) table.changes.push(record(key, {}, { op: 'delete' }))
  table.rows.clear()
}

describe('the fuse for deletions', () => {
  test('publishes nothing of an emptied table and asks a person [P10]', async () => {
    const bench = createBench()
    putMany(bench.table, 100)
    const options = {
      strategy: 'pass',
      fuse: { ...NO_FUSES, deleted: { atLeast: 10, percent: 5 } },
    } as const
    await runOnce(bench, options)
    bench.table.rows.clear()
    const status = await runOnce(bench, options)
    expect(status.hold).toMatchObject({ code: 'FUSE_BLOWN', details: { kind: 'deleted', limit: 10 } })
    expect(await events(bench.log)).toHaveLength(100)
    expect((await runOnce(bench, options)).state).not.toBe('running')
    await allow(bench, options)
    await runOnce(bench, options)
    expect(await events(bench.log)).toHaveLength(200)
    bench.table.rows.set('k1', { number: 'P1', amount: 'B' })
    await runOnce(bench, options)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
  })

  test('holds several passes of one run together [P10]', async () => {
    const bench = createBench()
    const { table } = bench
    table.canRead = false
    putMany(table, 8)
    await runOnce(bench, { strategy: 'pass', fuse })
    const status = await runOnce(bench, {
      strategy: 'pass',
      fuse,
      session: (inner) => ({
        async *poll(feed, cursor, signal) {
          let at = cursor
          for (let file = 0; file < 4; file += 1) {
            for (const key of [...table.rows.keys()].slice(0, 2)) table.rows.delete(key)
            for await (const batch of inner.poll(feed, at, signal)) {
              at = batch.next
              yield batch
            }
          }
        },
      }),
    })
    expect(status.hold?.code).toBe('FUSE_BLOWN')
    expect(await deleted(bench.log)).toHaveLength(2)
  })

  test.each([
    ['retries', 'ADAPTER_UNREACHABLE'],
    ['restarts', 'ADAPTER_AUTH_FAILED'],
  ] as const)('lets no emptied table through in slices over broken runs and %s [P10]', async (_, code) => {
    const bench = createBench({ pace: 100 })
    const options = { fuse: { ...NO_FUSES, deleted: { atLeast: 5, percent: 0 } } }
    putMany(bench.table, 16)
    await runOnce(bench, options)
    empty(bench.table)
    await runOnce(bench, { ...options, session: breaksAfter(1, code) })
    expect((await runOnce(bench, options)).hold?.code).toBe('FUSE_BLOWN')
    expect(await deleted(bench.log)).toHaveLength(4)
  })

  test('stays lifted until a run is complete, and is back in the run after it [P10]', async () => {
    const bench = createBench()
    const { table } = bench
    putMany(table, 12)
    await runOnce(bench, { fuse })
    empty(table)
    expect((await runOnce(bench, { fuse })).hold?.code).toBe('FUSE_BLOWN')
    await allow(bench, { fuse })
    const broken = await runOnce(bench, { fuse, session: breaksAfter(1, 'ADAPTER_AUTH_FAILED') })
    expect(broken).toMatchObject({ state: 'stopped', hold: null })
    expect(await deleted(bench.log)).toHaveLength(4)
    const complete = await runOnce(bench, { fuse })
    expect(complete).toMatchObject({ state: 'waiting', hold: null })
    expect(await deleted(bench.log)).toHaveLength(12)
    putMany(table, 12)
    expect((await runOnce(bench, { fuse })).hold).toBeNull()
    empty(table)
    expect((await runOnce(bench, { fuse })).hold?.code).toBe('FUSE_BLOWN')
    expect(await deleted(bench.log)).toHaveLength(12)
  })
})

describe('the fuse for rejects', () => {
  test('stops the lane at 2 % bad rows before the batch is published [P5]', async () => {
    const bench = createBench()
    bench.table.page = 1_000
    for (let row = 0; row < 1_000; row += 1) {
      put(bench.table, `k${row}`, { number: `P${row}`, amount: row % 50 === 0 ? 'poison' : 'A' })
    }
    const options = { fuse: { ...NO_FUSES, rejected: { atLeast: 10, percent: 1 } } }
    const status = await runOnce(bench, options)
    expect(status.hold).toMatchObject({ code: 'REJECTS_TOO_MANY', details: { rejected: 20, read: 1_000 } })
    expect(await events(bench.log)).toHaveLength(0)
    await allow(bench, options)
    await runOnce(bench, options)
    expect(await events(bench.log)).toHaveLength(980)
  })

  test('shows what it was blown by: the rejects stand in the log, each once [P5]', async () => {
    const bench = createBench()
    const options = { fuse: { ...NO_FUSES, rejected: { atLeast: 1, percent: 1 } } }
    putMany(bench.table, 4, 'poison')
    await atWork(bench, 'run', options, async (source) => {
      await until(() => laneOf(source).state === 'held')
      expect(laneOf(source).hold?.code).toBe('REJECTS_TOO_MANY')
      expect(await rejects(bench.log)).toHaveLength(4)
      await source.request({ verb: 'decide', feed: 'payments', allow: true, decision })
      await until(() => laneOf(source).state === 'waiting')
    })
    expect(await rejects(bench.log)).toHaveLength(4)
  })

  test('lets a batch through that blows another one too, once a person has allowed both', async () => {
    const bench = createBench()
    bench.table.page = 50
    const one = { atLeast: 1, percent: 0 }
    const options = { fuse: { ...NO_FUSES, deleted: one, rejected: one } }
    putMany(bench.table, 4)
    await runOnce(bench, options)
    empty(bench.table)
    for (let row = 0; row < 4; row += 1) put(bench.table, `x${row}`, { number: `X${row}`, amount: 'poison' })
    const codes: (string | undefined)[] = []
    for (let tries = 0; tries < 2; tries += 1) {
      codes.push((await runOnce(bench, options)).hold?.code)
      await allow(bench, options)
    }
    expect(codes.sort()).toEqual(['FUSE_BLOWN', 'REJECTS_TOO_MANY'])
    expect(await deleted(bench.log)).toEqual([])
    expect((await runOnce(bench, options)).hold).toBeNull()
    expect(await deleted(bench.log)).toHaveLength(4)
  })
})
