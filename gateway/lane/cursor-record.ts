import type { Cursor, Json, Mark } from '../../adapters/contract.ts'
import type { Draft } from '../log/port.ts'
import { TOPICS } from '../topics.ts'
import type { RunCounts } from './fuses.ts'

/** Why a lane stands still until a person decides. Kept with the cursor, so a restart does not forget it. */
export type Hold = Readonly<{
  code: HoldCode
  /** One sentence: what was seen. */
  message: string
  /** What a person needs in order to decide: both identities, the lost columns, the first keys. */
  details: Json
  since: string
}>

/** Holds that `decide` can lift, and those that need a `resync`. */
export const HOLDS = {
  IDENTITY_CHANGED: 'decide',
  SCHEMA_CHANGED: 'decide',
  FUSE_BLOWN: 'decide',
  REJECTS_TOO_MANY: 'decide',
  CURSOR_STALE: 'resync',
  LOG_LOST_EVENTS: 'resync',
  KEY_OWNED_ELSEWHERE: 'resync',
} as const

export type HoldCode = keyof typeof HOLDS

/**
 * A pass under way: the count of its first read, and where to begin it again if what it named is lost. `isBlind`: it met
 * a record whose key could not be read, so it cannot say what is missing.
 */
export type PassState = Readonly<{
  id: string
  order: string
  batches: number
  from: Cursor | null
  isBlind: boolean
}>

/** The lane's own truth in the log: written with every transaction, last, so that both stand or fall together. */
export type CursorRecord = Readonly<{
  lane: string
  /** Rises with every record of the lane: a lower one than the projection follows is that of a restored log. */
  sequence: number
  /** UUIDv7, minted once; only a deliberate new lineage changes it. */
  lineage: string
  /** Lineages that this lane had before. Their events are its own past, not another lane's. */
  former: readonly string[]
  cursor: Cursor | null
  /** Origin of what is published now: until the first complete run `initial`, after a resync `replay`. */
  phase: 'initial' | 'replay' | 'live'
  identity: string | null
  /** The source's fields with its type names, as last accepted. */
  fields: Readonly<Record<string, string>> | null
  mapping: Readonly<{ version: string; quiet: string | null }>
  pass: PassState | null
  /**
   * Everything is read again beside the normal polls, for records that are known: under an edited mapping (`version`),
   * or to find what the log lacks.
   */
  reread: Readonly<{ kind: 'remap' | 'resync'; cursor: Cursor | null; version: string }> | null
  /** What the fuses must remember of a run that has published fused changes and is not complete. */
  run: Readonly<{ counts: Readonly<RunCounts>; known: number }> | null
  /** Source keys with several versions in a batch of which only a part is committed. */
  partial: readonly string[]
  hold: Hold | null
  /** Hold codes that a person lifted until the run is complete; another shape until it has been seen. */
  allowances: readonly HoldCode[]
  paused: boolean
  /** When it was last compared with the log, RFC 3339; absent: never. */
  sweptAt?: string
  /** Topic ids and the last offset that this lane wrote, by topic and partition: less in the log is a loss. */
  topics: Readonly<Record<string, Readonly<{ id: string | null; last: Readonly<Record<string, number>> }>>>
  at: string
}>

export function newCursorRecord(
  lane: string,
  lineage: string,
  mappingVersion: string,
  at: string,
): CursorRecord {
  return {
    lane,
    sequence: 0,
    lineage,
    former: [],
    cursor: null,
    phase: 'initial',
    identity: null,
    fields: null,
    mapping: { version: mappingVersion, quiet: null },
    pass: null,
    reread: null,
    run: null,
    partial: [],
    hold: null,
    allowances: [],
    paused: false,
    topics: {},
    at,
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value))
}

export function decodeJson(value: Uint8Array): unknown {
  return JSON.parse(decoder.decode(value))
}

/** Key of a lane's records in the gateway's own topics. */
export function laneKey(gateway: string, lane: string): string {
  return `${gateway}/${lane}`
}

export function cursorDraft(gateway: string, record: CursorRecord): Draft {
  return { topic: TOPICS.cursors, key: laneKey(gateway, record.lane), value: encodeJson(record) }
}

export function decodeCursorRecord(value: Uint8Array): CursorRecord {
  return decodeJson(value) as CursorRecord
}

/** A mark with the moment (epoch ms) after which it may be forgotten. */
export type StoredMark = Readonly<{ key: string; value: Json; until: number }>

export function markDrafts(
  gateway: string,
  lane: string,
  marks: readonly Mark[],
  now: number,
): { drafts: Draft[]; stored: StoredMark[] } {
  const stored = marks.map((mark) => ({ key: mark.key, value: mark.value, until: now + mark.keepMs }))
  return {
    drafts: stored.map((mark) => ({
      topic: TOPICS.marks,
      key: `${laneKey(gateway, lane)}/${mark.key}`,
      value: encodeJson(mark),
    })),
    stored,
  }
}

export function forgetMarkDrafts(gateway: string, lane: string, keys: readonly string[]): readonly Draft[] {
  return keys.map((key) => ({ topic: TOPICS.marks, key: `${laneKey(gateway, lane)}/${key}`, value: null }))
}
