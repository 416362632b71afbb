import { describe, expect, test } from 'vitest'
import { createBench, rejects, runOnce, story } from './lane-bench.ts'
import { delivers, put, record, torn } from './table-source.ts'

describe('an older version', () => {
  test('is not published after the deletion that it comes behind [P3]', async () => {
    const bench = createBench()
    const { changes } = bench.table
    changes.push(record('k1', { number: 'P1', amount: 'A' }, { rowVersion: '03' }))
    changes.push(record('k1', {}, { op: 'delete', rowVersion: '05' }))
    await runOnce(bench)
    changes.push(record('k1', { number: 'P1', amount: 'old' }, { rowVersion: '04' }))
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2'])
  })

  test('is not published after another row took the number of its deleted one [P3]', async () => {
    const bench = createBench()
    const { rows, changes } = bench.table
    changes.push(record('k1', { number: 'P1', amount: 'old' }, { rowVersion: '01' }))
    await runOnce(bench)
    changes.push(record('k1', { number: 'P2', amount: 'A' }, { rowVersion: '02' }))
    await runOnce(bench)
    rows.set('k2', { number: 'P2', amount: 'B' })
    changes.push(record('k1', {}, { op: 'delete', rowVersion: '03' }))
    changes.push(record('k2', { number: 'P2', amount: 'B' }, { rowVersion: '04' }))
    changes.push(record('k1', { number: 'P1', amount: 'old' }, { rowVersion: '01' }))
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 old', 'deleted 2'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
  })

  test('is not published after the projection was lost [P3]', async () => {
    const bench = createBench()
    const { rows, changes } = bench.table
    rows.set('k1', { number: 'P1', amount: 'new' })
    changes.push(record('k1', { number: 'P1', amount: 'new' }, { rowVersion: '02' }))
    await runOnce(bench)
    bench.projections.clear()
    changes.push(record('k1', { number: 'P1', amount: 'old' }, { rowVersion: '01' }))
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 new'])
  })

  test('is not published because one that nobody can read came between [P3]', async () => {
    const bench = createBench()
    bench.table.canRead = false
    const session = delivers([
      { records: [record('k1', { number: 'P1', amount: 'new' }, { order: '05' })] },
      { unreadable: [torn('k1')] },
      { records: [record('k1', { number: 'P1', amount: 'old' }, { order: '04' })] },
    ])
    await runOnce(bench, { session })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 new'])
  })
})

describe('numbers that change hands within a batch', () => {
  test('are all published where each moves up by one [P1 P5]', async () => {
    const bench = createBench()
    bench.table.page = 20
    for (const n of [1, 2, 3]) put(bench.table, `k${n}`, { number: `P${n}`, amount: `a${n}` })
    await runOnce(bench)
    for (const n of [1, 2, 3]) put(bench.table, `k${n}`, { number: `P${n + 1}`, amount: `a${n}` })
    await runOnce(bench)
    expect(await rejects(bench.log)).toEqual([])
    expect(await story(bench.log, 'P1')).toEqual(['created 1 a1', 'deleted 2'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 a2', 'deleted 2', 'created 3 a1'])
    expect(await story(bench.log, 'P3')).toEqual(['created 1 a3', 'deleted 2', 'created 3 a2'])
    expect(await story(bench.log, 'P4')).toEqual(['created 1 a3'])
  })

  test('are both published where two rows swap theirs [P1 P5]', async () => {
    const bench = createBench()
    bench.table.page = 20
    put(bench.table, 'k1', { number: 'P1', amount: 'a' })
    put(bench.table, 'k2', { number: 'P2', amount: 'b' })
    await runOnce(bench)
    put(bench.table, 'k2', { number: 'P1', amount: 'b' })
    put(bench.table, 'k1', { number: 'P2', amount: 'a' })
    await runOnce(bench)
    expect(await rejects(bench.log)).toEqual([])
    expect(await story(bench.log, 'P1')).toEqual(['created 1 a', 'deleted 2', 'created 3 b'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 b', 'deleted 2', 'created 3 a'])
  })
})
