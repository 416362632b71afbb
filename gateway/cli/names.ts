import type { Config } from '../config/model.ts'
import { suggestion } from '../mapping/mistake.ts'
import { CommandFailure, EXIT } from './failure.ts'

/** Throws CommandFailure, with the nearest valid name, where the config has no such source or the source no such feed. */
export function requireLane(config: Config, source: string, feed: string | null): void {
  const found = Object.hasOwn(config.sources, source) ? config.sources[source] : undefined
  if (found === undefined) {
    const near = suggestion(source, Object.keys(config.sources))
    throw new CommandFailure(`The config has no source ${source}${near}.`, EXIT.usage)
  }
  if (feed === null || Object.hasOwn(found.feeds, feed)) return
  const near = suggestion(feed, Object.keys(found.feeds))
  throw new CommandFailure(`Source ${source} has no feed ${feed}${near}.`, EXIT.usage)
}
