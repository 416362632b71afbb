import { AdapterError } from '../errors.ts'
import { zoneOffsetMs } from '../shared/zone-offset.ts'
import type { Bind, CursorType, Dialect, Snapshot } from './transport.ts'

/** A moment by the database's own clock: what a clock in UTC shows, `YYYY-MM-DD HH:MM:SS.ffffff`. Sorts as it passes. */
export type Moment = string

/** The present. */
export async function readClock(dialect: Dialect, snapshot: Snapshot, signal: AbortSignal): Promise<Moment> {
  const { rows } = await snapshot.query(dialect.clock, [], signal)
  const moment = rows[0]?.[0] ?? ''
  if (/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/.test(moment)) return moment
  throw new AdapterError(
    'ADAPTER_CONFIG_INVALID',
    `The database's clock says "${moment}", which is no time that can be worked with.`,
  )
}

function epochMs(moment: Moment): number {
  return Date.parse(`${moment.slice(0, 10)}T${moment.slice(11, 23)}Z`)
}

/** Milliseconds from one moment to another. */
export function between(from: Moment, to: Moment): number {
  return epochMs(to) - epochMs(from)
}

/** A moment as a value of a time column; one without a zone is taken to hold the clock of the source's zone. */
export function asValue(
  dialect: Dialect,
  moment: Moment,
  of: Readonly<{ type: string; zone: string }>,
  bind: Bind,
): string {
  const isInstant = dialect.cursorType(of.type) === 'instant'
  return dialect.moment(bind(isInstant ? moment : localReading(moment, of.zone)), of.type)
}

/**
 * How far the values of a time column may have gone back between two moments although time went on: clocks without a
 * zone that were put back in autumn, and a clock of the database that was set.
 */
export function setBackMs(from: Moment, to: Moment, type: CursorType, zone: string): number {
  const stepped = Math.max(0, -between(from, to))
  if (type === 'instant' || type === 'number') return stepped
  const fold = zoneOffsetMs(zone, epochMs(from)) - zoneOffsetMs(zone, epochMs(to))
  return stepped + Math.max(0, fold)
}

/** A moment, and what a clock in some zone shows at it, `YYYY-MM-DD HH:MM:SS.ffffff` both. */
export type Reading = Readonly<{ moment: Moment; local: string }>

const MONTH_MS = 2_629_746_000

/** A year of a zone's clock, by months from a moment on: two zones may agree in winter only. */
export function yearOf(moment: Moment, zone: string): readonly Reading[] {
  return Array.from({ length: 12 }, (_, months) => {
    const at = new Date(epochMs(moment) + months * MONTH_MS).toISOString()
    const then = `${at.slice(0, 10)} ${at.slice(11, 23)}000`
    return { moment: then, local: localReading(then, zone) }
  })
}

/** What a clock in the zone shows. */
function localReading(moment: Moment, zone: string): string {
  const ms = epochMs(moment)
  const local = new Date(ms + zoneOffsetMs(zone, ms)).toISOString()
  return `${local.slice(0, 10)} ${local.slice(11, 23)}${moment.slice(23)}`
}
