import { encodeJson, laneKey } from '../lane/cursor-record.ts'
import type { Draft } from '../log/port.ts'
import { TOPICS } from '../topics.ts'

/** What a comparison of one feed with the log found and did. Kept in `gateway.statements`. */
export type Statement = Readonly<{
  lane: string
  /** RFC 3339. */
  begun: string
  ended: string
  rowsInSource: number
  rowsInLog: number
  /** Rows that had to be sent: keys with their fingerprints, and whole ones that were looked at. */
  rowsSent: number
  /** In the source and not in the log, otherwise in the log, in the log and not in the source. */
  missing: number
  changed: number
  deleted: number
  /** Differences that were none any more when they were looked at: polls had brought them meanwhile. */
  late: number
  /** Events that were published to mend differences. */
  healed: number
  /** Why nothing was healed though there was something to heal, or null. */
  refused: string | null
  /** Who asked for it; null: its schedule. */
  by: string | null
}>

export function statementDraft(gateway: string, statement: Statement): Draft {
  return {
    topic: TOPICS.statements,
    key: laneKey(gateway, statement.lane),
    value: encodeJson({ ...statement }),
  }
}
