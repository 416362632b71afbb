import { Cron } from 'croner'
import type { Schedule } from '../config/model.ts'

/**
 * Milliseconds from `now` until a feed is due again. `every` counts from the end of the last run; `at` is a cron line
 * in the source's zone. croner only computes the next instant, waiting is ours.
 */
export function dueInMs(schedule: Schedule, zone: string, now: number): number {
  if ('everyMs' in schedule) return schedule.everyMs
  const next = new Cron(schedule.at, { timezone: zone, paused: true }).nextRun(new Date(now))
  return next === null ? Number.MAX_SAFE_INTEGER : Math.max(0, next.getTime() - now)
}
