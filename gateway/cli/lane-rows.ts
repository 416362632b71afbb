import type { LaneStatus } from '../lane/status.ts'
import { grouped } from './figures.ts'

/** What a source is given before people are told that it is waited for. */
const PATIENCE_MS = 3_000

export const LANE_HEADINGS = ['SOURCE', 'FEED', 'STATE', 'ROWS', 'REJECTED', 'LAST RUN', 'NOTE'] as const

/** Lanes as rows of a table. */
export function laneRows(lanes: readonly LaneStatus[]): readonly (readonly string[])[] {
  return lanes.map((lane) => [
    lane.source,
    lane.feed,
    lane.state,
    lane.rows === null ? '–' : String(lane.rows.live),
    lane.rows === null ? '–' : String(lane.rows.rejected),
    lastRun(lane),
    note(lane),
  ])
}

function lastRun({ lastRun: run }: LaneStatus): string {
  if (run === null) return '–'
  const { created, changed, deleted } = run.counts
  return `${run.at.slice(0, 19)}Z +${created} ~${changed} -${deleted}`
}

function note(lane: LaneStatus): string {
  if (lane.hold !== null) return `${lane.hold.code}: ${lane.hold.message}`
  if (lane.stopped !== null) return `${lane.stopped.code}: ${lane.stopped.reason}`
  if (lane.closed !== null) return lane.closed
  if (lane.retry !== null) return `try ${lane.retry.attempt}: ${lane.retry.reason}`
  if (lane.awaits !== null && lane.awaits.ms >= PATIENCE_MS)
    return `has waited ${Math.floor(lane.awaits.ms / 1_000)} s for the source to answer ${lane.awaits.what}`
  if (lane.isRemapping) return 'a remap is under way'
  if (lane.isRemapPending) return 'the mapping was edited; see `erpgw remap --help`'
  const read = lane.progress?.read ?? 0
  const soFar = read === 0 ? [] : [`${grouped(read)} rows read`]
  return [...(lane.phase === 'initial' ? ['first load'] : []), ...soFar].join(', ')
}
