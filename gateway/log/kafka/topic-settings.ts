import type { TopicSpec } from '../port.ts'

/** Kafka's default of `max.message.bytes`, on which the driver's batches are measured. */
const MESSAGE_BYTES_MAX = 1_048_588

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const WEEK_MS = 7 * DAY_MS

/** Settings of a topic that is made, under Kafka's names. */
export function settingsOf({ cleanup, keepMs }: TopicSpec): Readonly<Record<string, string>> {
  const common = {
    'cleanup.policy': cleanup,
    'max.message.bytes': String(MESSAGE_BYTES_MAX),
    // What is kept how long must not hang on the gateway's clock.
    'message.timestamp.type': 'LogAppendTime',
    'compression.type': 'producer',
    'unclean.leader.election.enable': 'false',
  }
  if (cleanup === 'delete') return { ...common, 'retention.ms': String(keepMs), 'retention.bytes': '-1' }
  return {
    ...common,
    'min.compaction.lag.ms': String(keepMs),
    // A tombstone must not go before those who were away have seen it.
    'delete.retention.ms': String(Math.max(keepMs, DAY_MS)),
    // Only closed segments are compacted: what is kept for a short time would otherwise be kept, and read at every start, for a week.
    'segment.ms': String(Math.min(Math.max(keepMs, HOUR_MS), WEEK_MS)),
  }
}

/** What the real settings of a topic would lose of what a spec promises, or would make unreadable, as sentences. */
export function faultsOf(spec: TopicSpec, settings: ReadonlyMap<string, string>): readonly string[] {
  const faults = [
    ...(spec.cleanup === 'compact' ? compactFaults(spec, settings) : deleteFaults(spec, settings)),
  ]
  const messageBytes = Number(settings.get('max.message.bytes') ?? MESSAGE_BYTES_MAX)
  if (messageBytes < MESSAGE_BYTES_MAX) {
    faults.push(`max.message.bytes is ${messageBytes}; it must be ${MESSAGE_BYTES_MAX} or more.`)
  }
  const codec = settings.get('compression.type') ?? 'producer'
  if (!READABLE.has(codec))
    faults.push(`compression.type is ${codec}, which the gateway cannot read; set producer.`)
  if (settings.get('unclean.leader.election.enable') === 'true') {
    faults.push('unclean.leader.election.enable is true: committed records may be lost; set false.')
  }
  return faults
}

const READABLE: ReadonlySet<string> = new Set(['producer', 'uncompressed', 'gzip', 'zstd'])

function* compactFaults({ keepMs }: TopicSpec, settings: ReadonlyMap<string, string>): Generator<string> {
  const policy = settings.get('cleanup.policy') ?? ''
  if (policy !== 'compact') {
    yield `cleanup.policy is ${policy}, so the newest records of its keys may go or be gone; it must be compact.`
    return
  }
  const lagMs = Number(settings.get('min.compaction.lag.ms') ?? 0)
  if (lagMs < keepMs) yield `min.compaction.lag.ms is ${lagMs}; older records must be kept for ${keepMs} ms.`
}

function* deleteFaults({ keepMs }: TopicSpec, settings: ReadonlyMap<string, string>): Generator<string> {
  const policy = settings.get('cleanup.policy') ?? ''
  if (policy !== 'delete') {
    yield `cleanup.policy is ${policy}, so that only the newest record of each key is kept; it must be delete.`
    return
  }
  const retentionMs = Number(settings.get('retention.ms') ?? -1)
  if (retentionMs >= 0 && retentionMs < keepMs) {
    yield `retention.ms is ${retentionMs}; records must be kept for ${keepMs} ms.`
  }
  const bytes = Number(settings.get('retention.bytes') ?? -1)
  if (bytes >= 0) yield `retention.bytes is ${bytes}: records may go before their time; set -1.`
}
