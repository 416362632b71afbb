import { describe, expect, test } from 'vitest'
import { AdapterError } from '../../../adapters/errors.ts'
import { LaneStop } from '../../../gateway/lane/lane-stop.ts'
import { verdictOn } from '../../../gateway/lane/policy.ts'
import { dueInMs } from '../../../gateway/lane/schedule.ts'

describe('what follows an error', () => {
  test('a source that does not answer is tried again, later each time and never later than a minute', () => {
    const error = new AdapterError('ADAPTER_UNREACHABLE', 'down')
    const waits = [1, 2, 3, 10, 1_000].map((attempt) => verdictOn(error, attempt, 0.5))
    const after = waits.map((verdict) => (verdict.kind === 'retry' ? verdict.afterMs : 0))
    expect(after).toEqual([375, 750, 1_500, 45_000, 45_000])
  })

  test('a source that asks for a pause gets it', () => {
    const error = new AdapterError('ADAPTER_THROTTLED', 'slow down', { details: { retryAfterMs: 90_000 } })
    expect(verdictOn(error, 1, 0)).toMatchObject({ kind: 'retry', afterMs: 90_000, reopen: false })
  })

  test('a setting that cannot work stops the lane, a stale cursor holds it', () => {
    expect(verdictOn(new AdapterError('ADAPTER_AUTH_FAILED', 'no'), 1, 0)).toMatchObject({ kind: 'stop' })
    const stale = verdictOn(new AdapterError('ADAPTER_CURSOR_STALE', 'no'), 1, 0)
    expect(stale).toMatchObject({ kind: 'hold', code: 'CURSOR_STALE' })
  })

  test('a commit that nobody can vouch for begins again from the log, and is never sent again', () => {
    expect(verdictOn(new LaneStop('COMMIT_UNKNOWN', 'lost'), 1, 0)).toMatchObject({
      kind: 'retry',
      reopen: true,
    })
    expect(verdictOn(new LaneStop('LOG_UNAVAILABLE', 'full'), 1, 0)).toMatchObject({
      kind: 'retry',
      reopen: true,
    })
  })

  test('a fenced writer stops', () => {
    expect(verdictOn(new LaneStop('FENCED', 'taken over'), 1, 0)).toMatchObject({
      kind: 'stop',
      code: 'FENCED',
    })
  })

  test('what is not understood is never retried', () => {
    expect(verdictOn(new TypeError('oops'), 1, 0)).toMatchObject({ kind: 'stop', code: 'BUG' })
  })
})

describe('when a feed is due', () => {
  test('after its interval, or at the next time of its cron line in the zone of the source', () => {
    expect(dueInMs({ everyMs: 500 }, 'UTC', 0)).toBe(500)
    // 01:30 in Hong Kong is 17:30 UTC of the day before.
    const now = Date.UTC(2026, 10, 24, 17, 0)
    expect(dueInMs({ at: '30 1 * * *' }, 'Asia/Hong_Kong', now)).toBe(30 * 60_000)
  })

  test('also in the night when clocks go back', () => {
    // Berlin, 25 October 2026: 02:30 happens twice; once is enough.
    const before = Date.UTC(2026, 9, 25, 0, 0)
    const first = before + dueInMs({ at: '30 2 * * *' }, 'Europe/Berlin', before)
    const second = first + 1_000 + dueInMs({ at: '30 2 * * *' }, 'Europe/Berlin', first + 1_000)
    expect(new Date(second).toISOString().slice(0, 10)).toBe('2026-10-26')
  })
})
