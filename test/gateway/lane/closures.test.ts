import { describe, expect, test } from 'vitest'
import type { Calendar, DailyWindow } from '../../../gateway/config/model.ts'
import { closuresOf } from '../../../gateway/lane/closures.ts'
import { Source } from '../../../gateway/lane/source.ts'
import { createBench, decision, events, laneOf, sourceOptionsOf, until } from './lane-bench.ts'
import { put, putMany, type SessionChange } from './table-source.ts'

const ALL = [0, 1, 2, 3, 4, 5, 6]
const NIGHT: DailyWindow = { days: ALL, from: 22 * 60, to: 6 * 60 }
const MONTH_END: Calendar = {
  name: 'month-end',
  zone: 'Asia/Shanghai',
  weekend: [0, 6],
  holidays: null,
  freeze: { from: { workdays: 0, minute: 18 * 60 }, to: { workdays: 0, minute: 12 * 60 } },
}

const at = (text: string) => Date.parse(`${text}+08:00`)

describe('a source is left alone', () => {
  const textAt = (blackout: readonly DailyWindow[], calendar: Calendar | null, instant: string) =>
    closuresOf({ calendar, blackout }, 'Asia/Shanghai')(at(instant))?.text ?? null

  test('in its blackouts, over midnight too, on their weekdays', () => {
    expect(textAt([NIGHT], null, '2026-03-02T21:59')).toBeNull()
    expect(textAt([NIGHT], null, '2026-03-02T22:00')).toBe('waits until 2026-03-03T06:00+08:00 (blackout)')
    expect(textAt([NIGHT], null, '2026-03-03T05:59')).toBe('waits until 2026-03-03T06:00+08:00 (blackout)')
    expect(textAt([NIGHT], null, '2026-03-03T06:00')).toBeNull()
    const monday = { ...NIGHT, days: [1] }
    expect(textAt([monday], null, '2026-03-03T05:00')).not.toBeNull()
    expect(textAt([monday], null, '2026-03-03T23:00')).toBeNull()
  })

  test('in the freeze of its calendar, and until a blackout that it runs into has passed', () => {
    expect(textAt([], MONTH_END, '2026-03-31T20:00')).toBe(
      'waits until 2026-04-01T12:00+08:00 (month-end freeze)',
    )
    const noon = { days: ALL, from: 11 * 60, to: 13 * 60 }
    expect(textAt([noon], MONTH_END, '2026-03-31T20:00')).toContain('2026-04-01T13:00+08:00')
    expect(textAt([noon], MONTH_END, '2026-03-31T17:00')).toBeNull()
  })

  test('never, where nothing says so', () => {
    expect(closuresOf(undefined, 'UTC')(0)).toBeNull()
  })
})

/** A source over the bench's table, whose wall clock is as told; a table page is one row. */
function closing(
  closures: Parameters<typeof closuresOf>[0],
  first: string,
  session: SessionChange = () => ({}),
) {
  const bench = createBench()
  const clock = { now: at(first) }
  const runtime = { ...bench.ports.runtime, wall: () => clock.now }
  const options = sourceOptionsOf(bench, { session, ports: { ...bench.ports, runtime } })
  const stopping = new AbortController()
  const source = new Source(
    { ...options, source: { ...options.source, zone: 'Asia/Shanghai', ...(closures && { closures }) } },
    stopping.signal,
  )
  return { bench, clock, source, stopping }
}

describe('a lane whose source is closed', () => {
  const closures = { calendar: MONTH_END, blackout: [] }

  test('reads nothing, says until when, and a single run ends at once [P6]', async () => {
    const { bench, source } = closing(closures, '2026-03-31T20:00')
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await source.run('once')
    expect(laneOf(source)).toMatchObject({
      state: 'waiting',
      closed: 'waits until 2026-04-01T12:00+08:00 (month-end freeze)',
    })
    expect(await events(bench.log)).toEqual([])
  })

  test('ends a run that is under way at its next batch, and goes on there when it opens [P1 P2]', async () => {
    let batches = 0
    const session: SessionChange = (inner) => ({
      async *poll(feed, cursor, signal) {
        for await (const batch of inner.poll(feed, cursor, signal)) {
          batches += 1
          if (batches === 5) clock.now = at('2026-03-31T18:00')
          yield batch
        }
      },
    })
    const { bench, clock, source, stopping } = closing(closures, '2026-03-31T17:59', session)
    bench.table.page = 1
    putMany(bench.table, 20)
    const running = source.run('run')
    await until(() => laneOf(source).closed !== null)
    // The batch that was read ahead is not taken any more.
    expect(laneOf(source).rows?.live).toBe(4)
    expect(batches).toBe(5)
    clock.now = at('2026-04-01T12:00')
    // It looks again by itself within a minute; a person need not wait for that.
    await source.request({ verb: 'wake', feed: null, decision })
    await until(() => laneOf(source).rows?.live === 20)
    expect(await events(bench.log)).toHaveLength(20)
    expect(laneOf(source).closed).toBeNull()
    stopping.abort()
    await running
  })

  test('is not read by being woken', async () => {
    const { bench, source, stopping } = closing(closures, '2026-03-31T20:00')
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    const running = source.run('run')
    await until(() => laneOf(source).closed !== null)
    await source.request({ verb: 'wake', feed: null, decision })
    await source.request({ verb: 'resume', feed: 'payments', decision })
    expect(laneOf(source).closed).not.toBeNull()
    expect(await events(bench.log)).toEqual([])
    stopping.abort()
    await running
  })

  test('stops where its calendar knows no such year, naming the file', async () => {
    const holidays = { source: '/calendars/CN-YYYY.csv', years: [2026], days: {} }
    const calendar = { ...MONTH_END, holidays }
    const { source } = closing({ calendar, blackout: [] }, '2027-01-05T10:00')
    await source.run('once')
    expect(laneOf(source)).toMatchObject({
      state: 'stopped',
      stopped: { code: 'CALENDAR_YEAR_MISSING', reason: expect.stringContaining('/calendars/CN-2027.csv') },
    })
  })
})
