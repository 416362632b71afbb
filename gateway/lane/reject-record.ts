import type { Draft } from '../log/port.ts'
import { TOPICS } from '../topics.ts'
import { decodeJson, encodeJson, laneKey } from './cursor-record.ts'
import type { Rejection } from './detect.ts'

/** What stands in `gateway.rejects`: enough to find the record, to see it as it was, and to try it again. */
export type RejectRecord = Readonly<{
  lane: string
  lineage: string
  sourceKey: string
  code: string
  field: string | null
  /** `<file>:<line>` of the mapping rule, or null. */
  rule: string | null
  reason: string
  where: string
  /** The source's own bytes, base64; the first RAW_BYTES_MAX of them. */
  raw: string
  /** How many there were. */
  rawBytes: number
  fingerprint: string
  readOrder: string
  mappingVersion: string
  at: string
}>

/** What of a rejected record is kept: in base64 it stays well below the log's limit of a record. */
const RAW_BYTES_MAX = 600_000

export function rejectKeyPrefix(gateway: string, lane: string): string {
  return `${laneKey(gateway, lane)}/`
}

export function rejectDraft(
  rejection: Rejection,
  context: Readonly<{
    gateway: string
    lane: string
    lineage: string
    mappingName: string
    mappingVersion: string
    at: string
  }>,
): Draft {
  const record: RejectRecord = {
    lane: context.lane,
    lineage: context.lineage,
    sourceKey: rejection.sourceKey,
    code: rejection.code,
    field: rejection.field,
    rule: rejection.line === null ? null : `${context.mappingName}.yaml:${rejection.line}`,
    reason: rejection.reason,
    where: rejection.where,
    raw: Buffer.from(rejection.raw.subarray(0, RAW_BYTES_MAX)).toString('base64'),
    rawBytes: rejection.raw.byteLength,
    fingerprint: rejection.fingerprint,
    readOrder: rejection.readOrder,
    mappingVersion: context.mappingVersion,
    at: context.at,
  }
  return {
    topic: TOPICS.rejects,
    key: rejectKeyPrefix(context.gateway, context.lane) + rejection.sourceKey,
    value: encodeJson(record),
  }
}

/**
 * Takes a reject back: its record has been understood since, or is gone. A reject of the log is open while it is the
 * newest record of its key.
 */
export function settledDraft(gateway: string, lane: string, sourceKey: string): Draft {
  return { topic: TOPICS.rejects, key: rejectKeyPrefix(gateway, lane) + sourceKey, value: null }
}

export function decodeReject(value: Uint8Array): RejectRecord {
  return decodeJson(value) as RejectRecord
}
