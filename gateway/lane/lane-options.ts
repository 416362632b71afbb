import type { FeedConfig } from '../config/model.ts'
import type { Mapping } from '../mapping/mapping.ts'
import type { Ports } from '../ports.ts'
import type { Keep } from '../topics.ts'

/** What of the world a lane touches. */
export type LanePorts = Pick<Ports, 'runtime' | 'logger' | 'failpoints' | 'log' | 'projections'>

/** Guards that only tests switch off, to see the checkers fail. */
export type LaneMutation = 'projection-before-commit' | 'cursor-outside-transaction'

export type LaneOptions = Readonly<{
  gateway: string
  source: string
  system: string
  feed: FeedConfig
  mapping: Mapping
  keep: Keep
  /** Whether another feed publishes the same entity of the same system, so that their keys may meet. */
  sharesEntity: boolean
  /** Whether the source can be read from its beginning once more, or hands over everything only once. */
  canReadAgain: boolean
  ports: LanePorts
  mutations?: ReadonlySet<LaneMutation>
}>

/** `<source>.<feed>`: the lane's name everywhere. */
export function laneName(options: LaneOptions): string {
  return `${options.source}.${options.feed.name}`
}

/** The lane's writer identity; one per lane, so that one fenced lane stops alone. */
export function writerIdentity(options: LaneOptions): string {
  return `${options.gateway}.${laneName(options)}`
}
