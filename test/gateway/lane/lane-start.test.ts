import { describe, expect, test } from 'vitest'
import { AdapterError } from '../../../adapters/errors.ts'
import { createBench, events, runOnce } from './lane-bench.ts'
import { breaksAfter, put, putMany } from './table-source.ts'

describe('a first load', () => {
  test('has origin initial, what follows is live', async () => {
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

  test('that is interrupted goes on as initial, with what changed meanwhile [P1]', async () => {
    const bench = createBench()
    putMany(bench.table, 8)
    await runOnce(bench, { session: breaksAfter(1, 'ADAPTER_AUTH_FAILED') })
    expect(await events(bench.log)).toHaveLength(4)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    const origins = (await events(bench.log)).map(({ origin }) => origin)
    expect(origins).toEqual(Array(9).fill('initial'))
  })
})

describe('a start `now`', () => {
  test('leaves out what is there already', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { start: 'now' })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench, { start: 'now' })
    expect((await events(bench.log)).map((event) => event.subject)).toEqual(['P2'])
  })

  test('lets what changes after it be live, though the first poll fails [P1]', async () => {
    const bench = createBench()
    await runOnce(bench, {
      start: 'now',
      session: () => ({
        poll() {
          throw new AdapterError('ADAPTER_AUTH_FAILED', 'The account is locked.')
        },
      }),
    })
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { start: 'now' })
    expect((await events(bench.log)).map(({ origin }) => origin)).toEqual(['live'])
  })
})
