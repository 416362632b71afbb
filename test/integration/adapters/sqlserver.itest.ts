import { testTdsServer } from '../../adapters/database/sqlserver-served.ts'
import { describeWithService } from '../../kit/services.ts'

// Run against the stand-in (tds.itest.ts), and against no server of the maker yet.
describeWithService('sqlserver', 'the database adapter on a real SQL Server', ({ url }) => {
  testTdsServer(() => url)
})
