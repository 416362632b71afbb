import type { AnyAdapter } from '../adapters/registry.ts'
import type { Config, FeedConfig, SourceConfig } from './config/model.ts'
import type { SourceOptions, SourcePorts } from './lane/source.ts'
import type { Language } from './language.ts'
import type { Mapping } from './mapping/mapping.ts'

/** What a source needs besides ports, from the config and the language. Throws with every mistake of its mappings. */
export function sourceOptions(
  config: Config,
  name: string,
  adapterOf: (kind: string) => AnyAdapter | null,
  language: Language,
  ports: SourcePorts,
): SourceOptions {
  const source = config.sources[name]
  const adapter = source === undefined ? null : adapterOf(source.kind)
  if (source === undefined || adapter === null)
    throw new Error(`There is no source ${name} with a known kind.`)
  const mappings = new Map(
    Object.values(source.feeds).map((feed): [string, Mapping] => [
      feed.name,
      feedMapping(config, language, source, feed),
    ]),
  )
  return {
    gateway: config.gateway,
    source,
    adapter,
    mappings,
    keep: config.log.keep,
    sharedFeeds: sharedFeeds(config, language, name),
    ports,
  }
}

/** The mapping of a feed, as its file is now. Throws with every mistake in it. */
export function feedMapping(
  config: Config,
  language: Language,
  { system, company, zone }: SourceConfig,
  feed: FeedConfig,
): Mapping {
  const source = { system, company, companies: config.companies, zone }
  return language.mapping(feed.mapping, config.mappings, source)
}

/** The entity of every feed, by `<source>.<feed>`. */
export function feedEntities(config: Config, language: Language): ReadonlyMap<string, string> {
  const entities = new Map<string, string>()
  for (const source of Object.values(config.sources)) {
    for (const feed of Object.values(source.feeds)) {
      const entity = language.knowledge.mappingEntity(feed.mapping, config.mappings)
      if (entity !== null) entities.set(`${source.name}.${feed.name}`, entity)
    }
  }
  return entities
}

/** Feeds of a source whose entity another feed of the same system publishes too: their keys may meet. */
function sharedFeeds(config: Config, language: Language, name: string): ReadonlySet<string> {
  const entities = feedEntities(config, language)
  const systemOf = (lane: string) => config.sources[lane.split('.')[0] ?? '']?.system
  const shared = new Set<string>()
  for (const feed of Object.keys(config.sources[name]?.feeds ?? {})) {
    const lane = `${name}.${feed}`
    const twins = [...entities].filter(
      ([other, entity]) =>
        other !== lane && entity === entities.get(lane) && systemOf(other) === systemOf(lane),
    )
    if (twins.length > 0) shared.add(feed)
  }
  return shared
}
