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
  /** The source's own bytes, base64. */
  raw: string
  fingerprint: string
  readOrder: string
  mappingVersion: string
  at: string
}>

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
    raw: Buffer.from(rejection.raw).toString('base64'),
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

export function decodeReject(value: Uint8Array): RejectRecord {
  return decodeJson(value) as RejectRecord
}
