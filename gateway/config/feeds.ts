import type { FeedFault, Traits } from '../../adapters/contract.ts'
import type { Mistake } from '../mapping/mistake.ts'
import { type ConfigTree, entriesAt, type Path } from './document.ts'
import { mistakeAtPath } from './issues.ts'
import { type ConfigAdapter, FEED_KEYS } from './schema.ts'

/**
 * What is wrong with a feed as a whole, in its adapter's eyes, wherever the feed's own settings can be read. Other
 * mistakes in the file do not matter here, so these come along with them.
 */
export function checkFeeds(tree: ConfigTree, adapters: readonly ConfigAdapter[]): readonly Mistake[] {
  return entriesAt(tree, ['sources']).flatMap(([source]) => {
    const kind = tree.at(['sources', source, 'kind'])
    const adapter = adapters.find((candidate) => candidate.kind === kind)
    if (adapter === undefined) return []
    const feeds = ['sources', source, 'feeds']
    const connection = adapter.connection.safeParse(tree.at(['sources', source, 'connection']))
    const faultsOf = (feed: Parsed) =>
      adapter.feedFaults?.(feed, connection.success ? connection.data : null) ?? []
    return entriesAt(tree, feeds).flatMap(([name, feed]) =>
      checkFeed(tree, adapter, [...feeds, name], feed, faultsOf),
    )
  })
}

type Parsed = Parameters<NonNullable<ConfigAdapter['feedFaults']>>[0]

function checkFeed(
  tree: ConfigTree,
  adapter: ConfigAdapter,
  path: Path,
  written: unknown,
  faultsOf: (feed: Parsed) => readonly FeedFault[],
): readonly Mistake[] {
  if (typeof written !== 'object' || written === null) return []
  const own = Object.entries(written).filter(([key]) => !Object.hasOwn(FEED_KEYS, key))
  const parsed = adapter.feed.safeParse(Object.fromEntries(own))
  if (!parsed.success) return []
  const faults = faultsOf(parsed.data).map((fault) => {
    const at = [...path, ...fault.path]
    const mistake = mistakeAtPath(tree, at, 'value', fault.message)
    return fault.offset === undefined ? mistake : { ...mistake, ...tree.placeInText(at, fault.offset) }
  })
  const start = tree.at([...path, 'start'])
  if (start === undefined || start === 'all' || startsAnywhere(adapter.traits(parsed.data))) return faults
  return [
    ...faults,
    mistakeAtPath(
      tree,
      [...path, 'start'],
      'value',
      'must be all: this feed can only be read from its beginning',
    ),
  ]
}

/**
 * To begin now is to mint a cursor that nobody has read up to. That needs a source that any cursor can be read from,
 * and a feed with a middle: one that is compared whole has none.
 */
function startsAnywhere(traits: Traits): boolean {
  return traits.replay === 'from-any-cursor' && traits.deletes !== 'by-pass'
}
