import { describe, expect, test } from 'vitest'
import type { LogInspector } from '../../../gateway/log/reader.ts'
import { entityTopic, TOPICS } from '../../../gateway/topics.ts'
import {
  type Bench,
  createBench,
  decision,
  deleted,
  type LaneOptions,
  NO_FUSES,
  runOnce,
  toyMapping,
  verb,
} from '../lane/lane-bench.ts'
import { alters, delivers, put, record, torn } from '../lane/table-source.ts'
import { erpgwIn, SITE } from './world.ts'

/** The records of which `erpgw rejects --open` shows a reject, in its order. */
async function open(bench: Bench): Promise<readonly string[]> {
  const names = [TOPICS.rejects, TOPICS.cursors, entityTopic('payment')]
  const reader: LogInspector = {
    ...bench.log,
    topics: async () => names.map((name) => ({ name, partitions: 3 })),
    follow: () => {
      throw new Error('Nobody follows here.')
    },
    states: async () => [],
    close: async () => undefined,
  }
  const { code, out, err } = await erpgwIn({ ...SITE, readLog: () => reader }, 'rejects', '--open')
  expect(code, err).toBe(0)
  return out
    .split('\n')
    .slice(1)
    .flatMap((line) => /erp\.payments +(.+?) +yes /.exec(line)?.[1] ?? [])
}

/** A lane that has met poison in k1, and what it made of it. */
async function poisoned(options: LaneOptions = {}): Promise<Bench> {
  const bench = createBench()
  put(bench.table, 'k0', { number: 'P0', amount: 'A' })
  put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
  await runOnce(bench, options)
  expect(await open(bench)).toEqual(['toy k1'])
  return bench
}

/** The table as it is in the log alone: what a lane remembers besides is lost. */
function forget(bench: Bench): void {
  bench.projections.clear()
}

const pass = { strategy: 'pass' } as const

describe('a reject is open', () => {
  test('no longer when a later version was published, though other versions were rejected before it', async () => {
    const bench = await poisoned()
    put(bench.table, 'k1', { number: 'P1b', amount: 'poison' })
    await runOnce(bench)
    expect(await open(bench)).toEqual(['toy k1'])
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    expect(await open(bench)).toEqual([])
  })

  test('no longer when the good version came in the same batch, and yes when the poison came after it', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    put(bench.table, 'k2', { number: 'P2', amount: 'B' })
    put(bench.table, 'k2', { number: 'P2', amount: 'poison' })
    await runOnce(bench)
    expect(await open(bench)).toEqual(['toy k2'])
  })

  test('no longer when the record came back to what was published, which is no event', async () => {
    const bench = createBench()
    for (const amount of ['A', 'poison']) {
      put(bench.table, 'k1', { number: 'P1', amount })
      await runOnce(bench)
    }
    expect(await open(bench)).toEqual(['toy k1'])
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    expect((await runOnce(bench)).rows).toMatchObject({ rejected: 0 })
    expect(await open(bench)).toEqual([])
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    put(bench.table, 'k1', { number: 'P1b', amount: 'poison' })
    await runOnce(bench)
    expect(await open(bench)).toEqual(['toy k1'])
    // What the log says is what the lane knows, also where it goes on after a restart, or must read it again.
    bench.table.page = 1
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k1', { number: 'P1c', amount: 'poison' })
    await runOnce(bench)
    expect(await open(bench)).toEqual(['toy k1'])
    expect((await runOnce(bench)).rows).toMatchObject({ rejected: 1 })
    forget(bench)
    expect((await runOnce(bench)).rows).toMatchObject({ rejected: 1 })
  })

  test('no longer when the source reports the record as deleted, published or not', async () => {
    const bench = await poisoned()
    put(bench.table, 'k0', { number: 'P0', amount: 'poison' })
    await runOnce(bench)
    expect((await open(bench)).toSorted()).toEqual(['toy k0', 'toy k1'])
    for (const key of ['k0', 'k1']) {
      bench.table.rows.delete(key)
      bench.table.changes.push(record(key, {}, { op: 'delete' }))
    }
    expect((await runOnce(bench)).rows).toMatchObject({ rejected: 0 })
    expect(await open(bench)).toEqual([])
    expect(await deleted(bench.log)).toEqual(['P0'])
  })

  test.each([
    ['with a fuse', { ...pass, fuse: { ...NO_FUSES, deleted: { atLeast: 1, percent: 0 } } }],
    ['without one', pass],
  ])('no longer when a complete pass does not name the record, %s', async (_, options) => {
    const bench = await poisoned(options)
    bench.table.rows.delete('k1')
    expect((await runOnce(bench, options)).rows).toMatchObject({ live: 1, rejected: 0 })
    expect(await open(bench)).toEqual([])
    expect(await deleted(bench.log)).toEqual([])
    forget(bench)
    expect((await runOnce(bench, options)).rows).toMatchObject({ live: 1, rejected: 0 })
  })

  test('as long as each pass names the record', async () => {
    const bench = await poisoned(pass)
    await runOnce(bench, pass)
    expect(await open(bench)).toEqual(['toy k1'])
  })

  test('without a readable key until a complete pass meets nothing like it', async () => {
    const bench = createBench()
    bench.table.rows.set('k0', { number: 'P0', amount: 'A' })
    const session = alters((batch) => ({ ...batch, unreadable: [torn(null)] }))
    await runOnce(bench, { ...pass, session })
    await runOnce(bench, { ...pass, session })
    expect(await open(bench)).toEqual(['line 1'])
    await runOnce(bench, pass)
    expect(await open(bench)).toEqual([])
  })

  test('no longer when its batch holds a version of the record that can be read', async () => {
    const bench = createBench()
    const good = record('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { session: delivers([{ records: [good], unreadable: [torn('k1')] }]) })
    expect(await open(bench)).toEqual([])
  })

  test('no longer when it is tried again and the record is gone, published or not', async () => {
    const bench = await poisoned()
    put(bench.table, 'k0', { number: 'P0', amount: 'poison' })
    await runOnce(bench)
    bench.table.rows.clear()
    const retried = await verb(bench, { verb: 'retry-rejects', feed: 'payments' })
    expect(retried).toEqual({ tried: 2, published: 0, rejectedAgain: 0 })
    expect(await open(bench)).toEqual([])
    forget(bench)
    expect((await runOnce(bench)).rows).toMatchObject({ rejected: 0 })
  })

  test('through a resync, and no longer under a new lineage until the record is met again', async () => {
    const bench = await poisoned()
    const resync = { verb: 'resync', feed: 'payments', decision } as const
    await verb(bench, { ...resync, newLineage: false })
    expect(await open(bench)).toEqual(['toy k1'])
    await runOnce(bench)
    expect(await open(bench)).toEqual(['toy k1'])
    await verb(bench, { ...resync, newLineage: true })
    expect(await open(bench)).toEqual([])
    await runOnce(bench)
    expect(await open(bench)).toEqual(['toy k1'])
  })

  test('no longer when an edited mapping understands what it holds back until a remap', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    expect(await open(bench)).toEqual(['toy k1'])
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    const mapping = toyMapping('v2', (data) => ({ ...data, amount: 'other' }))
    expect((await runOnce(bench, { mapping })).lastRun?.heldBack).toBe(1)
    expect(await open(bench)).toEqual([])
  })
})
