import type { ProjectionCount } from '../ports.ts'
import type { SweepStatus } from '../reconcile/sweeper.ts'
import type { Hold } from './cursor-record.ts'
import type { RunCounts } from './fuses.ts'
import type { Lane } from './lane.ts'
import type { Verdict } from './policy.ts'

export type LaneState =
  | 'idle'
  | 'starting'
  | 'running'
  | 'waiting'
  | 'retrying'
  | 'paused'
  | 'held'
  | 'stopped'

/** What the supervisor knows of its lane. */
export type Progress = Readonly<{
  state: LaneState
  stopped: Extract<Verdict, { kind: 'stop' }> | null
  retry: Readonly<{ attempt: number; reason: string; afterMs: number }> | null
  /** Which answer of the source the run under way waits for, and how long already. */
  awaits: Readonly<{ what: string; ms: number }> | null
  /** Why the source is left alone and until when, for people; null where it is not. */
  closed: string | null
  lastRun: Readonly<{
    at: string
    tookMs: number
    counts: Readonly<RunCounts>
    heldBack: number
  }> | null
}>

/** A lane as `erpgw status` shows it. Plain JSON. */
export type LaneStatus = Progress &
  Readonly<{
    source: string
    feed: string
    entity: string
    /** Counts of the run under way. */
    progress: Readonly<RunCounts> | null
    phase: 'initial' | 'replay' | 'live' | null
    lineage: string | null
    hold: Hold | null
    rows: ProjectionCount | null
    /** The mapping was edited and rows that it would change are held back until `erpgw remap`. */
    isRemapPending: boolean
    isRemapping: boolean
  }>

/** With how a comparison of the lane with its source stands. */
export type SweptStatus = LaneStatus & Readonly<{ sweep: SweepStatus | null }>

export function laneStatus(lane: Lane, progress: Progress): LaneStatus {
  const { known } = lane
  const record = known?.record ?? null
  const { version } = lane.options.mapping
  return {
    ...progress,
    source: lane.options.source,
    feed: lane.options.feed.name,
    entity: lane.options.mapping.entity,
    progress: lane.progress === null ? null : { ...lane.progress },
    phase: record?.phase ?? null,
    lineage: record?.lineage ?? null,
    hold: record?.hold ?? null,
    rows: known?.rows ?? null,
    isRemapPending: record !== null && record.mapping.version !== version && record.mapping.quiet !== version,
    isRemapping: record !== null && record.reread?.kind === 'remap',
  }
}
