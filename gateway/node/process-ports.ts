import { ADAPTERS } from '../../adapters/registry.ts'
import { egressList } from '../config/egress.ts'
import type { Config } from '../config/model.ts'
import type { Names } from '../ports.ts'
import type { Redactor } from '../redactor.ts'
import { createNames } from './names.ts'
import { createSecrets } from './secrets.ts'

/** Secrets of this process's environment and user; whatever is read is blanked in everything that is printed. */
export function createProcessSecrets(redactor: Redactor): ReturnType<typeof createSecrets> {
  return createSecrets({
    environment: process.env,
    userId: process.getuid?.() ?? null,
    onRead: (value) => redactor.add(value),
  })
}

/** Names behind the egress list of the config. */
export function createProcessNames(config: Config): Names {
  return createNames(egressList(config, ADAPTERS))
}
