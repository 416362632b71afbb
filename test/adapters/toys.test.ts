import { testAdapter } from '../kit/adapter-contract.ts'
import { toyJournal } from '../kit/toy-adapters/journal.ts'
import { journalWorld } from '../kit/toy-adapters/journal-world.ts'
import { toyLedger } from '../kit/toy-adapters/ledger.ts'
import { ledgerWorld } from '../kit/toy-adapters/ledger-world.ts'

// Adapters that the gateway has never heard of: they live outside it and pass the same kit.
testAdapter('a toy journal', { adapter: toyJournal(), world: journalWorld })
testAdapter('a toy ledger', { adapter: toyLedger(), world: () => ledgerWorld() })
