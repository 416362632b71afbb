import { describe, expect, test } from 'vitest'
import { createBench, events, NO_FUSES, put, record, runOnce, story, toyMapping, verb } from './lane-bench.ts'

const decision = { by: 'test', reason: 'because' }

describe('fuses and stops', () => {
  test('an emptied table publishes nothing and asks a person [P10]', async () => {
    const bench = createBench()
    for (let row = 0; row < 100; row += 1) bench.table.rows.set(`k${row}`, { number: `P${row}`, amount: 'A' })
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
    await verb(bench, { verb: 'decide', feed: 'payments', allow: true, decision }, options)
    await runOnce(bench, options)
    expect(await events(bench.log)).toHaveLength(200)
    bench.table.rows.set('k1', { number: 'P1', amount: 'B' })
    await runOnce(bench, options)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
  })

  test('a row that a point read still finds is not deleted', async () => {
    const bench = createBench()
    bench.table.rows.set('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { strategy: 'pass' })
    const { rows } = bench.table
    const hidden = new Map(rows)
    bench.table.rows = new Map()
    // The pass sees an empty table, the point read the full one: committed between the two.
    Object.defineProperty(bench.table.rows, 'get', { value: (key: string) => hidden.get(key) })
    await runOnce(bench, { strategy: 'pass' })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })

  test('another system behind the same address stops the lane before anything is read [P10]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.identity = 'toy/2'
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    const status = await runOnce(bench)
    expect(status.hold).toMatchObject({
      code: 'IDENTITY_CHANGED',
      details: { before: 'toy/1', now: 'toy/2' },
    })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
    await verb(bench, { verb: 'decide', feed: 'payments', allow: true, decision })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B'])
  })

  test('a dropped column stops the lane before anything is published, and says which [P10]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.fields = { number: 'text' }
    put(bench.table, 'k1', { number: 'P1' })
    const status = await runOnce(bench)
    expect(status.hold).toMatchObject({ code: 'SCHEMA_CHANGED', details: { lost: ['amount'] } })
    expect(status.hold?.message).toContain('amount')
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })

  test('a new column is no reason to stop', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.fields = { ...bench.table.fields, note: 'text' }
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    expect((await runOnce(bench)).hold).toBeNull()
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B'])
  })
})

describe('remap and resync', () => {
  const edited = () => toyMapping('v2', (data) => ({ ...data, amount: `edited ${String(data['amount'])}` }))

  test('a mapping edit publishes nothing until remap, and then only what it changes', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    const status = await runOnce(bench, { mapping: edited() })
    expect(status.isRemapPending).toBe(true)
    expect(await events(bench.log)).toHaveLength(2)
    await verb(bench, { verb: 'remap', feed: 'payments', mode: 'publish', decision }, { mapping: edited() })
    await runOnce(bench, { mapping: edited() })
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A', 'changed 2 edited A'])
    const remapped = (await events(bench.log)).filter((event) => event.revision === 2)
    expect(remapped.map((event) => event.origin)).toEqual(['remap', 'remap'])
    expect((await runOnce(bench, { mapping: edited() })).isRemapPending).toBe(false)
  })

  test('a quiet remap publishes nothing, and a real change later has the new mapping', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    await verb(bench, { verb: 'remap', feed: 'payments', mode: 'quiet', decision }, { mapping: edited() })
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    expect((await runOnce(bench, { mapping: edited() })).isRemapPending).toBe(false)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench, { mapping: edited() })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 edited B'])
  })

  test('a resync publishes only what differs, as replay', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    // A change that no poll will ever show.
    bench.table.changes[1] = record('k2', { number: 'P2', amount: 'B' })
    bench.table.rows.set('k2', { number: 'P2', amount: 'B' })
    await verb(bench, { verb: 'resync', feed: 'payments', newLineage: false, decision })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A', 'changed 2 B'])
    expect((await events(bench.log)).find((event) => event.revision === 2)?.origin).toBe('replay')
  })

  test('a new lineage begins every key at revision 1 again', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    await verb(bench, { verb: 'resync', feed: 'payments', newLineage: true, decision })
    await runOnce(bench)
    bench.projections.clear()
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    const all = await events(bench.log)
    expect(all.map((event) => event.revision).sort()).toEqual([1, 1, 2])
    expect(new Set(all.map((event) => event.lineage)).size).toBe(2)
    expect(new Set(all.map((event) => event.id)).size).toBe(3)
  })

  test('a paused lane reads nothing until it is resumed, also after a restart', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await verb(bench, { verb: 'pause', feed: null, decision })
    await runOnce(bench)
    expect(await events(bench.log)).toHaveLength(0)
    await verb(bench, { verb: 'resume', feed: null, decision })
    await runOnce(bench)
    expect(await events(bench.log)).toHaveLength(1)
  })
})
