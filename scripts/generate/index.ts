import { asyncapi } from './asyncapi.ts'
import { entityTypes } from './entity-types.ts'
import { faults } from './faults.ts'
import type { Generator } from './generator.ts'

/** Everything that `npm run generate` makes. */
export const GENERATORS: readonly Generator[] = [entityTypes, asyncapi, faults]
