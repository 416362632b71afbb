import { describe, expect, test } from 'vitest'
import {
  createBench,
  events,
  NO_FUSES,
  put,
  record,
  rejects,
  runOnce,
  story,
  toyMapping,
  verb,
} from './lane-bench.ts'

const decision = { by: 'test', reason: 'because' }

describe('identity', () => {
  test('a row that goes A→B→A gives three events with three ids [P2]', async () => {
    const bench = createBench()
    for (const amount of ['A', 'B', 'A']) {
      put(bench.table, 'k1', { number: 'P1', amount })
      await runOnce(bench)
    }
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B', 'changed 3 A'])
    expect(new Set((await events(bench.log)).map((event) => event.id)).size).toBe(3)
  })

  test('a row that is deleted and inserted again gives three events with three ids', async () => {
    const bench = createBench()
    bench.table.rows.set('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { strategy: 'pass' })
    bench.table.rows.delete('k1')
    await runOnce(bench, { strategy: 'pass' })
    bench.table.rows.set('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { strategy: 'pass' })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 A'])
    const all = await events(bench.log)
    expect(new Set(all.map((event) => event.id)).size).toBe(3)
    expect(all.find((event) => event.revision === 2)?.data).toEqual({ number: 'P1' })
  })

  test('two companies with the same document numbers stay apart', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A', company: '001' })
    put(bench.table, 'k2', { number: 'P1', amount: 'B', company: '002' })
    await runOnce(bench)
    const all = await events(bench.log)
    expect(all.map((event) => event.source).sort()).toEqual(['/erp/toy/001', '/erp/toy/002'])
    expect(all.map((event) => event.revision)).toEqual([1, 1])
  })

  test('a second source key with the same record key is a reject, and the first goes on', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k2', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'C' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 C'])
    expect((await rejects(bench.log)).map((reject) => reject['code'])).toEqual(['KEY_COLLISION'])
  })

  test('a record key that went over to another source key goes on counting', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.rows.delete('k1')
    put(bench.table, 'k2', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
  })

  test('a record key is taken over in one batch, though its new owner comes first', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k2', { number: 'P2', amount: 'B' })
    await runOnce(bench)
    bench.table.rows.set('k1', { number: 'P3', amount: 'A' })
    put(bench.table, 'k2', { number: 'P1', amount: 'B' })
    put(bench.table, 'k1', { number: 'P3', amount: 'A' })
    await runOnce(bench)
    expect(await rejects(bench.log)).toEqual([])
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 B', 'deleted 2'])
    expect(await story(bench.log, 'P3')).toEqual(['created 1 A'])
  })

  test('a changed record key ends the old record and begins the new one in one transaction', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 A'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A', 'deleted 2'])
  })

  test('a lane that finds another lane under one of its record keys stops', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { source: 'one' })
    const status = await runOnce(bench, { source: 'two' })
    expect(status.hold?.code).toBe('KEY_OWNED_ELSEWHERE')
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })
})

describe('detection', () => {
  test('a touched row and a re-read publish nothing', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A', changedAt: '1' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'A', changedAt: '2' })
    put(bench.table, 'k1', { number: 'P1', amount: 'A', changedAt: '2' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })

  test('eleven versions of one key in one batch give eleven events in order [P3]', async () => {
    const bench = createBench()
    bench.table.page = 20
    for (let version = 0; version < 11; version += 1) {
      put(bench.table, 'k1', { number: 'P1', amount: `v${version}` })
    }
    await runOnce(bench)
    const told = await story(bench.log, 'P1')
    expect(told).toHaveLength(11)
    expect(told.at(-1)).toBe('changed 11 v10')
  })

  test('an older row version delivered second is read again and never published [P3]', async () => {
    const bench = createBench()
    const { table } = bench
    table.rows.set('k1', { number: 'P1', amount: 'new' })
    table.changes.push(record('k1', { number: 'P1', amount: 'new' }, { rowVersion: '02' }))
    await runOnce(bench)
    table.changes.push(record('k1', { number: 'P1', amount: 'old' }, { rowVersion: '01' }))
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 new'])
  })

  test('events say which fields changed', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    const all = await events(bench.log)
    expect(all.find((event) => event.revision === 2)?.changedfields).toBe('amount')
  })

  test('the first load has origin initial, what follows is live', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    const origins = Object.fromEntries(
      (await events(bench.log)).map((event) => [event.subject, event.origin]),
    )
    expect(origins).toEqual({ P1: 'initial', P2: 'live' })
  })

  test('`start: now` leaves out what is there already', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { start: 'now' })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench, { start: 'now' })
    expect((await events(bench.log)).map((event) => event.subject)).toEqual(['P2'])
  })
})

describe('projection', () => {
  test('a deleted projection is rebuilt from the log with 0 events [P2]', async () => {
    const bench = createBench()
    for (let row = 0; row < 50; row += 1) put(bench.table, `k${row}`, { number: `P${row}`, amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P99', amount: 'A' })
    await runOnce(bench)
    const before = (await events(bench.log)).length
    bench.projections.clear()
    bench.table.changes.push(...[...bench.table.rows].map(([key, row]) => record(key, row)))
    await runOnce(bench)
    expect(await events(bench.log)).toHaveLength(before)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
  })

  test('a projection ahead of the log is discarded and rebuilt', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    const projection = bench.projections.get('erp.payments')
    const applied = projection?.applied()
    if (projection === undefined || applied === null || applied === undefined) throw new Error('none')
    projection.apply({ rows: [], applied: { ...applied, positions: { 'erp.payment.v1/0': 1_000 } } })
    bench.table.changes.push(record('k1', { number: 'P1', amount: 'A' }))
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })
})

describe('rejects', () => {
  test('a poison row is written once, not at every re-read, and its neighbours flow [P5]', async () => {
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

  test('rejects are published once the mapping is mended and they are tried again', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    const mended = {
      ...toyMapping('v2'),
      map: (source: Parameters<ReturnType<typeof toyMapping>['map']>[0]) =>
        toyMapping().map({ ...source, data: { ...source.data, amount: '0' } }),
    }
    for (const canRead of [true]) {
      bench.table.canRead = canRead
      const result = await verb(bench, { verb: 'retry-rejects', feed: 'payments' }, { mapping: mended })
      expect(result).toEqual({ tried: 1, published: 1, rejectedAgain: 0 })
    }
    expect(await story(bench.log, 'P1')).toEqual(['created 1 0'])
  })

  test('a rejected row that is gone is no longer counted', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    bench.table.rows.delete('k1')
    const result = await verb(bench, { verb: 'retry-rejects', feed: 'payments' })
    expect(result).toEqual({ tried: 1, published: 0, rejectedAgain: 0 })
  })

  test('a record too large for the log is a reject, and its neighbours flow [P5]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: '大'.repeat(400_000) })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    const [reject] = await rejects(bench.log)
    expect(reject).toMatchObject({ code: 'TOO_LARGE', sourceKey: 'k1' })
    expect(Number(reject?.['rawBytes'])).toBeGreaterThan(1_200_000)
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A'])
  })

  test('a batch larger than a transaction goes in several, in order', async () => {
    const bench = createBench()
    bench.table.page = 100
    const long = 'x'.repeat(250_000)
    for (let row = 0; row < 100; row += 1)
      put(bench.table, `k${row % 50}`, { number: `P${row % 50}`, amount: `${row} ${long}` })
    await runOnce(bench)
    expect(await events(bench.log)).toHaveLength(100)
    expect((await story(bench.log, 'P7')).map((line) => line.slice(0, 14))).toEqual([
      'created 1 7 xx',
      'changed 2 57 x',
    ])
  })

  test('a source that cannot read single rows has its rejects tried from the log', async () => {
    const bench = createBench()
    bench.table.canRead = false
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    const mended = {
      ...toyMapping('v2'),
      map: (source: Parameters<ReturnType<typeof toyMapping>['map']>[0]) =>
        toyMapping().map({ ...source, data: { ...source.data, amount: '0' } }),
    }
    const result = await verb(bench, { verb: 'retry-rejects', feed: 'payments' }, { mapping: mended })
    expect(result).toEqual({ tried: 1, published: 1, rejectedAgain: 0 })
  })

  test('2 % bad rows stop the lane before the batch is published [P5]', async () => {
    const bench = createBench()
    bench.table.page = 1_000
    for (let row = 0; row < 1_000; row += 1) {
      put(bench.table, `k${row}`, { number: `P${row}`, amount: row % 50 === 0 ? 'poison' : 'A' })
    }
    const fuse = { ...NO_FUSES, rejected: { atLeast: 10, percent: 1 } }
    const status = await runOnce(bench, { fuse })
    expect(status.hold).toMatchObject({ code: 'REJECTS_TOO_MANY', details: { rejected: 20, read: 1_000 } })
    expect(await events(bench.log)).toHaveLength(0)
    await verb(bench, { verb: 'decide', feed: 'payments', allow: true, decision }, { fuse })
    await runOnce(bench, { fuse })
    expect(await events(bench.log)).toHaveLength(980)
  })
})
