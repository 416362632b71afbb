import type { Json } from '../../adapters/contract.ts'
import type { HoldCode } from './cursor-record.ts'
import type { Rejection } from './detect.ts'

/** Ends of a lane's work that are not the source's doing. */
export type LaneStopCode =
  | HoldCode
  /** Another writer has this lane's identity. */
  | 'FENCED'
  /** Nobody can say whether the last transaction took effect: begin again from what the log holds. */
  | 'COMMIT_UNKNOWN'
  /** The log cannot take anything now (disk full, broker away). */
  | 'LOG_UNAVAILABLE'
  /** The log refuses for good what the lane wrote. */
  | 'LOG_REFUSED'
  /** A topic's real settings would lose what is promised to be kept. */
  | 'TOPIC_UNSAFE'
  /** The log holds something that is no event, or the projection contradicts it. */
  | 'LOG_UNREADABLE'
  /** The feed asks for a start that its source cannot name. */
  | 'START_IMPOSSIBLE'

/** Thrown inside a lane; `policy.ts` decides what follows. */
export class LaneStop extends Error {
  override readonly name = 'LaneStop'
  readonly code: LaneStopCode
  readonly details: Json
  /** Rejects that are written with the stop, so that a person can look at them. */
  readonly rejections: readonly Rejection[]

  constructor(
    code: LaneStopCode,
    message: string,
    details: Json = null,
    rejections: readonly Rejection[] = [],
  ) {
    super(message)
    this.code = code
    this.details = details
    this.rejections = rejections
  }
}
