import { isOlderRead } from '../../../gateway/lane/read-order.ts'
import { groupBy, type Published, place, type Violation } from './facts.ts'

/** Of one source row, what was read earlier is not published after what was read later, per record key and lineage. */
export function noOlderAfterNewer(events: readonly Published[]): readonly Violation[] {
  const violations: Violation[] = []
  const keyOf = ({ recordKey, event }: Published) =>
    JSON.stringify([recordKey, event.lineage, event.sourcekey])
  for (const run of groupBy(events, keyOf).values()) {
    run.forEach((published, index) => {
      const before = run[index - 1]
      if (before === undefined || !isOlderRead(published.event.readorder, before.event.readorder)) return
      const sentence = `${place(published)} was read at ${published.event.readorder}, before revision ${before.event.revision} at ${before.event.readorder}.`
      violations.push({ checker: 'no-older-after-newer', sentence })
    })
  }
  return violations
}
