import { groupBy, type Published, place, type Violation } from './facts.ts'

/** Per key and lineage, what was read earlier is not published after what was read later. */
export function noOlderAfterNewer(events: readonly Published[]): readonly Violation[] {
  const violations: Violation[] = []
  for (const run of groupBy(events, ({ recordKey, event }) => `${recordKey} ${event.lineage}`).values()) {
    run.forEach((published, index) => {
      const before = run[index - 1]
      if (before === undefined || !isBelow(published.event.readorder, before.event.readorder)) return
      const sentence = `${place(published)} was read at ${published.event.readorder}, before revision ${before.event.revision} at ${before.event.readorder}.`
      violations.push({ checker: 'no-older-after-newer', sentence })
    })
  }
  return violations
}

/** The first letter of a read order says who counted: only places of one kind compare. */
function isBelow(after: string, before: string): boolean {
  return after[0] === before[0] && after < before
}
