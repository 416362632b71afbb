import type { TopicSpec } from './log/port.ts'

/** The gateway's own topics. Entity topics are `erp.<entity>.v1`. */
export const TOPICS = {
  cursors: 'gateway.cursors',
  marks: 'gateway.marks',
  rejects: 'gateway.rejects',
  notices: 'gateway.notices',
  decisions: 'gateway.decisions',
  statements: 'gateway.statements',
} as const

export function entityTopic(entity: string): string {
  return `erp.${entity}.v1`
}

const DAY_MS = 86_400_000

/** How long the log keeps what, in ms. Cursors and marks are compacted and never go by time. */
export type Keep = Readonly<{
  historyMs: number
  rejectsMs: number
  deliveriesMs: number
  statementsMs: number
  auditMs: number
}>

export const DEFAULT_KEEP: Keep = {
  historyMs: 30 * DAY_MS,
  rejectsMs: 30 * DAY_MS,
  deliveriesMs: 90 * DAY_MS,
  statementsMs: 400 * DAY_MS,
  auditMs: 400 * DAY_MS,
}

/** Every topic that a gateway with these entities needs, with the cleanup that its promise rests on. */
export function topicSpecs(entities: readonly string[], keep: Keep): readonly TopicSpec[] {
  return [
    ...[...entities].sort().map((entity) => compacted(entityTopic(entity), keep.historyMs)),
    // A day: a tombstone must not go before every lane that was down has seen it.
    compacted(TOPICS.cursors, DAY_MS),
    compacted(TOPICS.marks, DAY_MS),
    { name: TOPICS.rejects, cleanup: 'delete', keepMs: keep.rejectsMs },
    { name: TOPICS.notices, cleanup: 'delete', keepMs: keep.deliveriesMs },
    { name: TOPICS.statements, cleanup: 'delete', keepMs: keep.statementsMs },
    { name: TOPICS.decisions, cleanup: 'delete', keepMs: keep.auditMs },
  ]
}

function compacted(name: string, keepMs: number): TopicSpec {
  return { name, cleanup: 'compact', keepMs }
}
