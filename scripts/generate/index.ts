import { adapterReference } from './adapter-reference.ts'
import { asyncapi } from './asyncapi.ts'
import { cliReference } from './cli-reference.ts'
import { configSchema } from './config-schema.ts'
import { entityCatalogue } from './entity-catalogue.ts'
import { entityTypes } from './entity-types.ts'
import { faults } from './faults.ts'
import type { Generator } from './generator.ts'

/** Everything that `npm run generate` makes. */
export const GENERATORS: readonly Generator[] = [
  entityTypes,
  asyncapi,
  configSchema,
  adapterReference,
  entityCatalogue,
  cliReference,
  faults,
]
