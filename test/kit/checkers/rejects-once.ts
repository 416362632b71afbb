import { groupBy, moment, type Rejected, type Violation } from './facts.ts'

/** A version that cannot be understood is written to the rejects once, not at every re-read. */
export function rejectsOnce(rejects: readonly Rejected[]): readonly Violation[] {
  const groups = groupBy(rejects, ({ lane, sourceKey, raw }) => JSON.stringify([lane, sourceKey, raw]))
  return [...groups.values()].flatMap((group) => {
    const [first, second] = group
    if (first === undefined || second === undefined) return []
    const sentence = `${first.lane} rejected ${first.sourceKey} ${group.length} times with the same content, first at ${moment(first.time)} and again at ${moment(second.time)}.`
    return [{ checker: 'rejects-once', sentence }]
  })
}
