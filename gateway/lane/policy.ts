import { AdapterError } from '../../adapters/errors.ts'
import { LogError } from '../log/errors.ts'
import { ProjectionError } from '../ports.ts'
import { CalendarGap } from './calendar.ts'
import { HOLDS, type HoldCode } from './cursor-record.ts'
import { LaneStop } from './lane-stop.ts'

/** What follows an error in a lane. */
export type Verdict = Readonly<
  /** Try again later; `reopen` when the lane must begin again from what the log holds. */
  | { kind: 'retry'; afterMs: number; reopen: boolean; reason: string }
  /** Stand still until a person decides; kept in the log. */
  | { kind: 'hold'; code: HoldCode; reason: string }
  /** Stand still until the config is mended and the lane is told to go on, or the process starts again. */
  | { kind: 'stop'; code: string; reason: string }
>

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 60_000

/**
 * From an error to what the lane does. `attempt` counts failures in a row from 1; `chance` in [0, 1) spreads retries,
 * so that a hundred lanes do not come back in the same second. What is not understood is never retried.
 */
export function verdictOn(error: unknown, attempt: number, chance: number): Verdict {
  if (error instanceof LaneStop) return onLaneStop(error, attempt, chance)
  if (error instanceof AdapterError) return onAdapterError(error, attempt, chance)
  if (error instanceof LogError) return onLogError(error, attempt, chance)
  if (error instanceof ProjectionError) {
    return { kind: 'retry', afterMs: waitMs(attempt, chance), reopen: true, reason: error.message }
  }
  const reason = error instanceof Error ? error.message : String(error)
  return { kind: 'stop', code: error instanceof CalendarGap ? 'CALENDAR_YEAR_MISSING' : 'BUG', reason }
}

function onLogError(error: LogError, attempt: number, chance: number): Verdict {
  const reason = error.message
  if (error.remedy === 'retry')
    return { kind: 'retry', afterMs: waitMs(attempt, chance), reopen: true, reason }
  return { kind: 'stop', code: error.code, reason }
}

function onLaneStop(error: LaneStop, attempt: number, chance: number): Verdict {
  const reason = error.message
  if (isHold(error.code)) return { kind: 'hold', code: error.code, reason }
  if (error.code === 'COMMIT_UNKNOWN' || error.code === 'LOG_UNAVAILABLE') {
    return { kind: 'retry', afterMs: waitMs(attempt, chance), reopen: true, reason }
  }
  return { kind: 'stop', code: error.code, reason }
}

function onAdapterError(error: AdapterError, attempt: number, chance: number): Verdict {
  const reason = error.message
  switch (error.remedy) {
    case 'retry': {
      const asked = error.details['retryAfterMs']
      const least = typeof asked === 'number' ? Math.min(asked, LONGEST_WAIT_MS * 10) : 0
      return { kind: 'retry', afterMs: Math.max(least, waitMs(attempt, chance)), reopen: false, reason }
    }
    case 'resync':
      return { kind: 'hold', code: 'CURSOR_STALE', reason }
    case 'fix-config':
    case 'lookup':
      return { kind: 'stop', code: error.code, reason }
  }
}

/** Full jitter under an exponential bound. */
function waitMs(attempt: number, chance: number): number {
  const bound = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt - 1, 20))
  return Math.round(bound * (0.5 + chance / 2))
}

function isHold(code: string): code is HoldCode {
  return Object.hasOwn(HOLDS, code)
}
