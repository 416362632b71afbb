import { contentOf, moment, type Published, place, type Truth, type Violation } from './facts.ts'

/** Everything published was once committed in the source, before it was published. */
export function nothingInvented(events: readonly Published[], truth: Truth): readonly Violation[] {
  return events.flatMap((published) => {
    if (published.event.type.endsWith('.deleted.v1')) return []
    const content = contentOf(published.event.data)
    const versions = truth.get(published.recordKey) ?? []
    const isTrue = versions.some(
      (version) => version.kind === 'value' && version.at <= published.time && version.content === content,
    )
    if (isTrue) return []
    const sentence = `${place(published)}, ${moment(published.time)}, says ${content}, which was never committed by then.`
    return [{ checker: 'nothing-invented', sentence }]
  })
}
