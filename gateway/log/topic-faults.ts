import type { TopicSpec } from './port.ts'

/**
 * What the settings under which a topic has been kept so far may have lost of what a spec promises, as sentences.
 * An empty topic has lost nothing. A topic that is kept longer, or compacted where the spec would delete by age, has
 * lost nothing either.
 */
export function compareSpec(kept: TopicSpec, spec: TopicSpec, isEmpty: boolean): readonly string[] {
  if (isEmpty || kept.cleanup === spec.cleanup) return []
  if (spec.cleanup === 'compact') {
    return [
      `${spec.name} deletes by age (after ${kept.keepMs} ms), so the newest records of its keys may be gone; it must ` +
        'keep the newest record of each key.',
    ]
  }
  if (kept.keepMs >= spec.keepMs) return []
  return [
    `${spec.name} keeps only the newest record of each key after ${kept.keepMs} ms; it must keep all records for ` +
      `${spec.keepMs} ms.`,
  ]
}

/** Throws where a spec cannot be: a name that Kafka would refuse, or a time that is none. */
export function assertSpec(spec: TopicSpec): void {
  if (!/^[A-Za-z0-9._-]{1,249}$/.test(spec.name) || spec.name === '.' || spec.name === '..') {
    throw new RangeError(
      `"${spec.name}" is no topic name: letters, digits, dots, dashes and underscores are.`,
    )
  }
  if (!Number.isSafeInteger(spec.keepMs) || spec.keepMs < 0) {
    throw new RangeError(`${spec.name} cannot be kept for ${spec.keepMs} ms.`)
  }
}
