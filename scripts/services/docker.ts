import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { CannotOpen, type Opened, type Way } from '../services.ts'
import { guard } from './guard.ts'
import { type Ran, run } from './run.ts'

const COMPOSE_FILE = fileURLToPath(new URL('../../docker/compose.test.yaml', import.meta.url))

/** A daemon that does not answer by then is not there. */
const ANSWER_MS = 20_000

/** Pulling the image included. */
const UP_MS = 300_000

/**
 * A service of docker/compose.test.yaml, in a compose project of its own, removed with its volumes afterwards.
 * `environment` is for what that file leaves open.
 */
export function dockerWay(
  service: string,
  port: number,
  urlOf: (address: string) => string,
  environment: Readonly<Record<string, string>> = {},
): Way {
  return {
    name: 'docker compose',
    async open(): Promise<Opened> {
      const daemon = await run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: ANSWER_MS })
      if (!daemon.ok) throw new CannotOpen(daemon.reason)
      const compose = [
        'compose',
        '--file',
        COMPOSE_FILE,
        '--project-name',
        `erpgw-test-${randomBytes(4).toString('hex')}`,
      ]
      // The guardian is there before the first container, so that a run killed at any time leaves none.
      const guarded = guard({
        program: null,
        afterwards: [['docker', ...compose, 'down', '--volumes', '--timeout', '5']],
        remove: [],
      })
      const address = await up(compose, service, port, environment)
      if (!address.ok) {
        await guarded.stop()
        throw new CannotOpen(address.reason)
      }
      return { url: urlOf(address.output.trim()), stop: guarded.stop }
    },
  }
}

/** Starts the container and answers with the loopback address at which it is reached, once it is healthy. */
async function up(
  compose: readonly string[],
  service: string,
  port: number,
  environment: Readonly<Record<string, string>>,
): Promise<Ran> {
  const start = [...compose, 'up', '--detach', '--wait', service]
  const started = await run('docker', start, { timeoutMs: UP_MS, environment })
  if (!started.ok) return started
  const ask = [...compose, 'port', service, String(port)]
  return run('docker', ask, { timeoutMs: ANSWER_MS, environment })
}
