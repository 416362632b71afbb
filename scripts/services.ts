import { chromium } from './services/chromium.ts'
import { kafka, kafkaJars } from './services/kafka.ts'
import { mariadb } from './services/mariadb.ts'
import { postgres } from './services/postgres.ts'

/** What tests, benches and chaos runs may ask for, by the variable that names one which is already there. */
const VARIABLES = {
  postgres: 'ERPGW_TEST_POSTGRES_URL',
  mariadb: 'ERPGW_TEST_MARIADB_URL',
  kafka: 'ERPGW_TEST_KAFKA_URL',
  sqlserver: 'ERPGW_TEST_SQLSERVER_URL',
  'kafka-jars': 'ERPGW_KAFKA_JARS',
  chromium: 'ERPGW_CHROMIUM',
} as const

export type ServiceName = keyof typeof VARIABLES

/** Whether there is such a service. */
export function isServiceName(name: string): name is ServiceName {
  return Object.hasOwn(VARIABLES, name)
}

/**
 * A service at work. `url` is a path for programs such as Chromium, `host:port` for Kafka; that of a database names its
 * superuser.
 */
export type Opened = Readonly<{ url: string; stop(): Promise<void> }>

/** One way to get a service. It throws `CannotOpen` where the machine does not offer it; any other error is told too. */
export type Way = Readonly<{ name: string; open(): Promise<Opened> }>

/** Why a way does not work here. `couldInstall`: this machine allows it, so with CI=true its failure is ours. */
export class CannotOpen extends Error {
  readonly couldInstall: boolean

  constructor(reason: string, couldInstall = false) {
    super(reason)
    this.couldInstall = couldInstall
  }
}

export type Answer = Readonly<
  | { kind: 'granted'; url: string; way: string }
  /** `mustHave`: in CI, and the machine would have let us install it; its tests fail instead of skipping. */
  | { kind: 'refused'; reason: string; mustHave: boolean }
>

export interface Services {
  /** Starts the service at the first call and answers the same to every later one. Never throws. */
  ask(name: ServiceName): Promise<Answer>
  /** Stops all that was started. Nothing can be asked for afterwards. */
  stop(): Promise<void>
}

export type ServiceOptions = Readonly<{
  environment: Readonly<Record<string, string | undefined>>
  /** One line about what is being started or has failed. */
  report(line: string): void
  /** In the order in which they are tried, after the address in the environment. */
  ways?: Readonly<Record<ServiceName, readonly Way[]>>
}>

const WAYS: Readonly<Record<ServiceName, readonly Way[]>> = {
  postgres,
  mariadb,
  kafka,
  'kafka-jars': kafkaJars,
  chromium,
  // No engine of it is in the registries that tests may install from.
  sqlserver: [],
}

/** Real services for tests, each started when it is first asked for. The caller stops them. */
export function createServices(options: ServiceOptions): Services {
  const ways = options.ways ?? WAYS
  const answers = new Map<ServiceName, Promise<Answer>>()
  const opened: Opened[] = []
  const start = async (name: ServiceName): Promise<Answer> => {
    const given = options.environment[VARIABLES[name]]
    if (given) return { kind: 'granted', url: given, way: VARIABLES[name] }
    const reasons: string[] = []
    let couldInstall = false
    for (const way of ways[name]) {
      options.report(`${name}: trying ${way.name}`)
      try {
        const service = await way.open()
        opened.push(service)
        options.report(`${name}: started with ${way.name}`)
        return { kind: 'granted', url: service.url, way: way.name }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        couldInstall ||= !(error instanceof CannotOpen) || error.couldInstall
        reasons.push(`${way.name}: ${reason}`)
        options.report(`${name}: ${way.name} does not work here: ${reason}`)
      }
    }
    return {
      kind: 'refused',
      reason: `no ${name} (${[`${VARIABLES[name]} is not set`, ...reasons].join('; ')})`,
      mustHave: couldInstall && options.environment['CI'] === 'true',
    }
  }
  return {
    ask(name) {
      const known = answers.get(name)
      if (known) return known
      const answer = start(name)
      answers.set(name, answer)
      return answer
    },
    async stop() {
      await Promise.all(answers.values())
      await Promise.all(opened.splice(0).map((service) => service.stop()))
    },
  }
}

/** The address of a service that whoever asks cannot do without. Throws with the reason where it cannot be had. */
export async function mustHave(services: Services, name: ServiceName): Promise<string> {
  const answer = await services.ask(name)
  if (answer.kind === 'granted') return answer.url
  throw new Error(answer.reason)
}
