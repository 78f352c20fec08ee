/* eslint-disable */
import * as types from './graphql.ts';
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';

/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  mutation Probe($input: TestConnectionInput!) {\n    testConnection(input: $input) {\n      report {\n        ok\n        problems {\n          code\n          message\n          hint\n        }\n      }\n    }\n  }\n": typeof types.ProbeDocument,
    "\n  query Page($id: ID!, $offset: Int!) {\n    job(id: $id) {\n      result(index: 0) {\n        rowCount\n        truncated\n        rows(first: 10, offset: $offset) {\n          rows\n          hasNextPage\n        }\n      }\n    }\n  }\n": typeof types.PageDocument,
    "\n  mutation ReadOnly($id: ID!, $readOnly: Boolean!) {\n    updateDatabase(input: { id: $id, readOnly: $readOnly }) {\n      database {\n        readOnly\n      }\n    }\n  }\n": typeof types.ReadOnlyDocument,
    "\n  mutation Share($name: String!) {\n    createProject(input: { name: $name }) {\n      project {\n        id\n      }\n    }\n  }\n": typeof types.ShareDocument,
    "\n  mutation Join($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        role\n      }\n    }\n  }\n": typeof types.JoinDocument,
    "\n  mutation Host($name: String!) {\n    createHostedDatabase(input: { name: $name }) {\n      database {\n        id\n      }\n    }\n  }\n": typeof types.HostDocument,
    "\n  query Outcome($id: ID!) {\n    job(id: $id) {\n      id\n      status\n      startedAt\n      durationMs\n      error {\n        code\n        message\n        sqlState\n        line\n        statement\n      }\n      notices(last: 1000)\n      results(first: 100) {\n        nodes {\n          command\n          rowCount\n          truncated\n          columns {\n            name\n            dataType\n          }\n          rows(first: 1000) {\n            rows\n          }\n        }\n      }\n    }\n  }\n": typeof types.OutcomeDocument,
    "\n  query Me {\n    viewer {\n      id\n    }\n  }\n": typeof types.MeDocument,
    "\n  mutation Login($input: LoginInput!) {\n    login(input: $input) {\n      accessToken\n      user {\n        id\n      }\n    }\n  }\n": typeof types.LoginDocument,
    "\n  query EndedExport($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n      }\n      export {\n        files {\n          id\n        }\n      }\n    }\n  }\n": typeof types.EndedExportDocument,
    "\n  mutation SubmitExport($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n      }\n    }\n  }\n": typeof types.SubmitExportDocument,
    "\n  mutation ExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n        kind\n        source {\n          id\n        }\n      }\n    }\n  }\n": typeof types.ExportJobDocument,
    "\n  query Exported($id: ID!) {\n    job(id: $id) {\n      status\n      maxRows\n      error {\n        code\n        message\n      }\n      results {\n        totalCount\n      }\n      export {\n        format\n        safe\n        compression\n        path\n        rows\n        sizeBytes\n        truncated\n        file {\n          id\n          sha256\n          sizeBytes\n          mimeType\n          url\n        }\n        files {\n          path\n        }\n      }\n    }\n  }\n": typeof types.ExportedDocument,
    "\n  mutation ExportDefaults($input: UpdateSettingsInput!) {\n    updateSettings(input: $input) {\n      user {\n        settings {\n          defaultExportFormat\n          defaultExportPrefix\n          defaultExportBucket {\n            id\n            name\n          }\n        }\n      }\n    }\n  }\n": typeof types.ExportDefaultsDocument,
    "\n  mutation MakeBucket($name: String!) {\n    createBucket(input: { name: $name }) {\n      bucket {\n        id\n      }\n    }\n  }\n": typeof types.MakeBucketDocument,
    "\n  mutation DropExported($id: ID!) {\n    deleteFile(input: { id: $id }) {\n      deletedFileId\n    }\n  }\n": typeof types.DropExportedDocument,
    "\n  mutation SaveWithExport($input: CreateSavedQueryInput!) {\n    createSavedQuery(input: $input) {\n      savedQuery {\n        id\n        export {\n          format\n          safe\n          path\n          compression\n          overwrite\n          bucket {\n            id\n          }\n        }\n      }\n    }\n  }\n": typeof types.SaveWithExportDocument,
    "\n  mutation ChangeSavedExport($input: UpdateSavedQueryInput!) {\n    updateSavedQuery(input: $input) {\n      savedQuery {\n        export {\n          format\n        }\n      }\n    }\n  }\n": typeof types.ChangeSavedExportDocument,
    "\n  mutation RunSavedExport($input: RunSavedQueryInput!) {\n    runSavedQuery(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": typeof types.RunSavedExportDocument,
    "\n  mutation RetryExport($id: ID!) {\n    retryJob(input: { id: $id }) {\n      job {\n        id\n      }\n    }\n  }\n": typeof types.RetryExportDocument,
    "\n  query TimeoutOf($id: ID!) {\n    job(id: $id) {\n      timeoutMs\n    }\n  }\n": typeof types.TimeoutOfDocument,
    "\n  mutation DropJob($id: ID!) {\n    deleteJob(input: { id: $id }) {\n      deletedJobId\n    }\n  }\n": typeof types.DropJobDocument,
    "\n  mutation PlaceProject {\n    createProject(input: { name: \"shared\" }) {\n      project {\n        id\n      }\n    }\n  }\n": typeof types.PlaceProjectDocument,
    "\n  mutation PlaceMember($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n": typeof types.PlaceMemberDocument,
    "\n  mutation PlaceRole($id: ID!, $role: ProjectRole!) {\n    updateMember(input: { id: $id, role: $role }) {\n      member {\n        role\n      }\n    }\n  }\n": typeof types.PlaceRoleDocument,
    "\n  mutation PlaceLeave($id: ID!) {\n    removeMember(input: { id: $id }) {\n      deletedMemberId\n    }\n  }\n": typeof types.PlaceLeaveDocument,
    "\n  mutation PlaceBucket($input: CreateBucketInput!) {\n    createBucket(input: $input) {\n      bucket {\n        id\n      }\n    }\n  }\n": typeof types.PlaceBucketDocument,
    "\n  mutation PlaceDrop($id: ID!, $force: Boolean) {\n    deleteBucket(input: { id: $id, force: $force }) {\n      deletedBucketId\n    }\n  }\n": typeof types.PlaceDropDocument,
    "\n  mutation PlaceSubmit($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": typeof types.PlaceSubmitDocument,
    "\n  mutation PlaceUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n        file {\n          id\n        }\n      }\n    }\n  }\n": typeof types.PlaceUploadDocument,
    "\n  mutation PlaceMove($id: ID!, $path: String!) {\n    moveFile(input: { id: $id, path: $path }) {\n      file {\n        id\n      }\n    }\n  }\n": typeof types.PlaceMoveDocument,
    "\n  query PlaceFiles($id: ID!) {\n    node(id: $id) {\n      ... on Bucket {\n        files {\n          nodes {\n            path\n            sha256\n          }\n        }\n      }\n    }\n  }\n": typeof types.PlaceFilesDocument,
    "\n  query PlaceError($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n        message\n      }\n    }\n  }\n": typeof types.PlaceErrorDocument,
    "\n  subscription PlaceProgress($id: ID!) {\n    jobUpdated(id: $id) {\n      status\n      progress {\n        rows\n        percent\n        estimatedRows\n      }\n      export {\n        rows\n        sizeBytes\n      }\n    }\n  }\n": typeof types.PlaceProgressDocument,
    "\n  mutation PlaceExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": typeof types.PlaceExportJobDocument,
    "\n  mutation PlaceDisconnect($id: ID!) {\n    disconnectDatabase(input: { id: $id }) {\n      deletedDatabaseId\n    }\n  }\n": typeof types.PlaceDisconnectDocument,
    "\n  query PlaceKind($id: ID!) {\n    job(id: $id) {\n      kind\n      status\n      database {\n        id\n      }\n      export {\n        rows\n      }\n    }\n  }\n": typeof types.PlaceKindDocument,
    "\n  query Tables($id: ID!) {\n    database(id: $id) {\n      tables(first: 5, kinds: [TABLE]) {\n        totalCount\n        nodes {\n          name\n          comment\n          columns {\n            name\n            dataType\n            nullable\n          }\n          foreignKeys {\n            referencedTableName\n          }\n        }\n      }\n    }\n  }\n": typeof types.TablesDocument,
    "\n  mutation TestConnection($input: TestConnectionInput!) {\n    testConnection(input: $input) {\n      report {\n        ok\n        serverVersion\n        problems {\n          code\n          message\n          hint\n        }\n      }\n    }\n  }\n": typeof types.TestConnectionDocument,
    "\n  query Expired($id: ID!) {\n    job(id: $id) {\n      status\n      result(index: 0) {\n        rowCount\n        expiresAt\n        columns {\n          name\n        }\n        rows {\n          rows\n        }\n      }\n    }\n  }\n": typeof types.ExpiredDocument,
    "\n  query Expiry($id: ID!) {\n    job(id: $id) {\n      finishedAt\n      result(index: 0) {\n        expiresAt\n        rows {\n          rows\n        }\n      }\n    }\n  }\n": typeof types.ExpiryDocument,
    "\n  query LongRow($id: ID!) {\n    job(id: $id) {\n      result(index: 0) {\n        rows(first: 1) {\n          rows\n        }\n      }\n    }\n  }\n": typeof types.LongRowDocument,
    "\n  subscription LongRows($id: ID!) {\n    jobRows(id: $id) {\n      rows\n    }\n  }\n": typeof types.LongRowsDocument,
    "\n  mutation Team {\n    createProject(input: { name: \"team\" }) {\n      project {\n        id\n      }\n    }\n  }\n": typeof types.TeamDocument,
    "\n  mutation JoinTeam($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n": typeof types.JoinTeamDocument,
    "\n  mutation LeaveTeam($id: ID!) {\n    removeMember(input: { id: $id }) {\n      deletedMemberId\n    }\n  }\n": typeof types.LeaveTeamDocument,
    "\n  mutation Demote($id: ID!, $role: ProjectRole!) {\n    updateMember(input: { id: $id, role: $role }) {\n      member {\n        role\n      }\n    }\n  }\n": typeof types.DemoteDocument,
    "\n  mutation Move($id: ID!, $projectId: ID) {\n    updateDatabase(input: { id: $id, projectId: $projectId }) {\n      database {\n        id\n      }\n    }\n  }\n": typeof types.MoveDocument,
    "\n  mutation Dissolve($id: ID!) {\n    deleteProject(input: { id: $id }) {\n      deletedProjectId\n    }\n  }\n": typeof types.DissolveDocument,
    "\n  query RowsOfAll($id: ID!) {\n    job(id: $id) {\n      results(first: 100) {\n        nodes {\n          index\n          rowCount\n          rows(first: 1) {\n            rows\n          }\n        }\n      }\n    }\n  }\n": typeof types.RowsOfAllDocument,
    "\n  query RowsOfOne($id: ID!, $index: Int!) {\n    job(id: $id) {\n      result(index: $index) {\n        index\n        rows(first: 1) {\n          rows\n        }\n      }\n    }\n  }\n": typeof types.RowsOfOneDocument,
    "\n  query NoticesOfAll($first: Int, $last: Int) {\n    jobs(first: $first) {\n      nodes {\n        id\n        notices(last: $last)\n        again: notices(last: 1)\n      }\n    }\n  }\n": typeof types.NoticesOfAllDocument,
    "\n  query NoticesOfTwo($id: ID!, $other: ID!, $last: Int) {\n    job(id: $id) {\n      notices(last: $last)\n    }\n    other: job(id: $other) {\n      notices(last: $last)\n    }\n  }\n": typeof types.NoticesOfTwoDocument,
    "\n  query NoticesOfMany {\n    jobs(first: 500) {\n      nodes {\n        a: notices(last: 1000)\n        b: notices(last: 1000)\n      }\n    }\n  }\n": typeof types.NoticesOfManyDocument,
    "\n  mutation Retry($id: ID!) {\n    retryJob(input: { id: $id }) {\n      job {\n        ...Repeated\n        status\n        source {\n          id\n        }\n      }\n    }\n  }\n": typeof types.RetryDocument,
    "\n  fragment Repeated on Job {\n    id\n    name\n    sql\n    parameters\n    readOnly\n    timeoutMs\n    maxRows\n    priority\n    maxAttempts\n    runAt\n    targetLabel\n    database {\n      id\n    }\n  }\n": typeof types.RepeatedFragmentDoc,
    "\n  query Repeat($id: ID!) {\n    job(id: $id) {\n      ...Repeated\n      status\n      error {\n        code\n      }\n      source {\n        id\n      }\n      result(index: 0) {\n        rows {\n          rows\n        }\n      }\n    }\n  }\n": typeof types.RepeatDocument,
    "\n  mutation Disconnect($id: ID!) {\n    disconnectDatabase(input: { id: $id }) {\n      deletedDatabaseId\n    }\n  }\n": typeof types.DisconnectDocument,
    "\n  mutation MakeReadOnly($id: ID!, $readOnly: Boolean) {\n    updateDatabase(input: { id: $id, readOnly: $readOnly }) {\n      database {\n        readOnly\n      }\n    }\n  }\n": typeof types.MakeReadOnlyDocument,
    "\n  mutation Submitted($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        priority\n        maxAttempts\n        runAt\n        source {\n          id\n        }\n      }\n    }\n  }\n": typeof types.SubmittedDocument,
    "\n  mutation SetPriority($queuePriority: Int) {\n    updateSettings(input: { queuePriority: $queuePriority }) {\n      user {\n        settings {\n          queuePriority\n        }\n      }\n    }\n  }\n": typeof types.SetPriorityDocument,
    "\n  mutation Typed($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        targetLabel\n        readOnly\n        database {\n          id\n        }\n      }\n    }\n  }\n": typeof types.TypedDocument,
    "\n  query TypedOutcome($id: ID!) {\n    job(id: $id) {\n      status\n      targetLabel\n      database {\n        id\n      }\n      error {\n        code\n        message\n        hint\n      }\n      result(index: 0) {\n        rows {\n          rows\n        }\n      }\n    }\n  }\n": typeof types.TypedOutcomeDocument,
    "\n  query Unfinished($bucket: ID!) {\n    viewer {\n      storage {\n        usedBytes\n        reservedBytes\n        limitBytes\n        files\n        filesLimit\n      }\n    }\n    node(id: $bucket) {\n      ... on Bucket {\n        uploads {\n          id\n          status\n          path\n          sizeBytes\n          upload {\n            url\n            method\n            file {\n              id\n            }\n          }\n        }\n      }\n    }\n  }\n": typeof types.UnfinishedDocument,
    "\n  query StorageOf($id: ID!) {\n    node(id: $id) {\n      ... on User {\n        storage {\n          files\n        }\n      }\n    }\n  }\n": typeof types.StorageOfDocument,
    "\n  query UploadOf($id: ID!) {\n    node(id: $id) {\n      ... on StoredFile {\n        upload {\n          url\n        }\n      }\n    }\n  }\n": typeof types.UploadOfDocument,
    "\n  mutation NewUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n      }\n    }\n  }\n": typeof types.NewUploadDocument,
    "\n  mutation S3ExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": typeof types.S3ExportJobDocument,
    "\n  query S3Export($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n      }\n      export {\n        rows\n        files {\n          sha256\n          sizeBytes\n          url\n        }\n      }\n    }\n  }\n": typeof types.S3ExportDocument,
    "\n  mutation Register($input: RegisterInput!) {\n    register(input: $input) {\n      auth {\n        accessToken\n        accessTokenExpiresAt\n        refreshToken\n        user {\n          id\n          email\n          role\n        }\n      }\n    }\n  }\n": typeof types.RegisterDocument,
    "\n  mutation Logout($input: LogoutInput) {\n    logout(input: $input) {\n      ok\n    }\n  }\n": typeof types.LogoutDocument,
    "\n  mutation Refresh($input: RefreshSessionInput!) {\n    refreshSession(input: $input) {\n      accessToken\n      refreshToken\n    }\n  }\n": typeof types.RefreshDocument,
    "\n  query Databases($first: Int, $after: String) {\n    databases(first: $first, after: $after) {\n      totalCount\n      nodes {\n        id\n        name\n        readOnly\n        hosted\n        viewerRole\n      }\n    }\n  }\n": typeof types.DatabasesDocument,
    "\n  mutation Connect($input: ConnectDatabaseInput!) {\n    connectDatabase(input: $input) {\n      database {\n        id\n        name\n        viewerRole\n      }\n      report {\n        ok\n        serverVersion\n      }\n    }\n  }\n": typeof types.ConnectDocument,
    "\n  mutation Submit($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        revision\n      }\n    }\n  }\n": typeof types.SubmitDocument,
    "\n  mutation Cancel($input: CancelJobInput!) {\n    cancelJob(input: $input) {\n      job {\n        id\n        status\n        cancelRequestedAt\n      }\n    }\n  }\n": typeof types.CancelDocument,
    "\n  query Queue {\n    queue {\n      queued\n      running\n    }\n  }\n": typeof types.QueueDocument,
    "\n  subscription JobUpdated($id: ID!) {\n    jobUpdated(id: $id) {\n      id\n      status\n      revision\n      progress {\n        rows\n        bytes\n        estimatedRows\n        percent\n      }\n      error {\n        code\n        message\n        sqlState\n        position\n        line\n      }\n    }\n  }\n": typeof types.JobUpdatedDocument,
    "\n  subscription JobEvents($after: String) {\n    jobEvents(after: $after) {\n      position\n      job {\n        id\n        status\n      }\n    }\n  }\n": typeof types.JobEventsDocument,
    "\n  query Job($id: ID!, $first: Int = 100, $after: String) {\n    job(id: $id) {\n      id\n      status\n      revision\n      attempt\n      finishedAt\n      error {\n        code\n        message\n      }\n      result(index: 0) {\n        command\n        rowCount\n        truncated\n        columns {\n          name\n          dataType\n        }\n        rows(first: $first, after: $after) {\n          rows\n          endCursor\n          hasNextPage\n        }\n      }\n    }\n  }\n": typeof types.JobDocument,
    "\n  subscription JobRows($id: ID!, $batchSize: Int, $after: String) {\n    jobRows(id: $id, batchSize: $batchSize, after: $after) {\n      resultSet\n      columns {\n        name\n        dataType\n      }\n      rows\n      cursor\n    }\n  }\n": typeof types.JobRowsDocument,
    "\n  subscription RowChanges($databaseId: ID!, $tables: [RowChangeSource!]!, $after: String, $batchSize: Int) {\n    rowChanges(databaseId: $databaseId, tables: $tables, after: $after, batchSize: $batchSize) {\n      position\n      changes {\n        event\n        tableId\n        schema\n        table\n        key\n        position\n        committedAt\n        transactionId\n        old\n        new\n        changedColumns\n        unchangedColumns\n      }\n    }\n  }\n": typeof types.RowChangesDocument,
    "\n  mutation Explain($input: ExplainQueryInput!) {\n    explainQuery(input: $input) {\n      plan {\n        plan\n        text\n        estimatedCost\n        estimatedRows\n        reads\n        writes\n        warnings\n      }\n    }\n  }\n": typeof types.ExplainDocument,
    "\n  mutation CreateSavedQuery($input: CreateSavedQueryInput!) {\n    createSavedQuery(input: $input) {\n      savedQuery {\n        id\n        nextRunAt\n      }\n    }\n  }\n": typeof types.CreateSavedQueryDocument,
    "\n  mutation UpdateSavedQuery($input: UpdateSavedQueryInput!) {\n    updateSavedQuery(input: $input) {\n      savedQuery {\n        id\n        name\n        schedule\n        scheduleEnabled\n        scheduleProblem\n        nextRunAt\n        owner {\n          id\n        }\n      }\n    }\n  }\n": typeof types.UpdateSavedQueryDocument,
    "\n  mutation DeleteSavedQuery($input: DeleteSavedQueryInput!) {\n    deleteSavedQuery(input: $input) {\n      deletedSavedQueryId\n    }\n  }\n": typeof types.DeleteSavedQueryDocument,
    "\n  mutation RunSavedQuery($input: RunSavedQueryInput!) {\n    runSavedQuery(input: $input) {\n      job {\n        id\n        savedQuery {\n          id\n        }\n      }\n    }\n  }\n": typeof types.RunSavedQueryDocument,
    "\n  query SavedQueries($projectId: ID, $search: String, $first: Int, $after: String) {\n    savedQueries(projectId: $projectId, search: $search, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        name\n        sql\n        schedule\n        scheduleEnabled\n        nextRunAt\n        database {\n          id\n        }\n        project {\n          id\n        }\n        owner {\n          id\n        }\n        lastJob {\n          id\n          status\n        }\n      }\n    }\n  }\n": typeof types.SavedQueriesDocument,
    "\n  query JobsOfSavedQuery($savedQueryId: ID) {\n    jobs(savedQueryId: $savedQueryId) {\n      totalCount\n      nodes {\n        id\n        savedQuery {\n          id\n        }\n      }\n    }\n  }\n": typeof types.JobsOfSavedQueryDocument,
    "\n  mutation CreateBucket($input: CreateBucketInput!) {\n    createBucket(input: $input) {\n      bucket {\n        id\n        name\n        public\n        viewerRole\n        maxFileSizeBytes\n        allowedMimeTypes\n        usedBytes\n        owner {\n          id\n        }\n        project {\n          id\n        }\n      }\n    }\n  }\n": typeof types.CreateBucketDocument,
    "\n  mutation UpdateBucket($input: UpdateBucketInput!) {\n    updateBucket(input: $input) {\n      bucket {\n        id\n        public\n        maxFileSizeBytes\n        allowedMimeTypes\n      }\n    }\n  }\n": typeof types.UpdateBucketDocument,
    "\n  mutation DeleteBucket($input: DeleteBucketInput!) {\n    deleteBucket(input: $input) {\n      deletedBucketId\n    }\n  }\n": typeof types.DeleteBucketDocument,
    "\n  query Buckets($projectId: ID, $first: Int, $after: String) {\n    buckets(projectId: $projectId, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        name\n        viewerRole\n        usedBytes\n      }\n    }\n  }\n": typeof types.BucketsDocument,
    "\n  query Files($bucket: ID!, $prefix: String, $first: Int, $after: String) {\n    node(id: $bucket) {\n      ... on Bucket {\n        usedBytes\n        files(prefix: $prefix, first: $first, after: $after) {\n          totalCount\n          pageInfo {\n            hasNextPage\n            endCursor\n          }\n          nodes {\n            id\n            path\n            sizeBytes\n          }\n        }\n      }\n    }\n  }\n": typeof types.FilesDocument,
    "\n  query File($id: ID!, $expiresInMs: Int, $download: Boolean) {\n    node(id: $id) {\n      ... on StoredFile {\n        id\n        status\n        path\n        sizeBytes\n        mimeType\n        sha256\n        publicUrl\n        url(expiresInMs: $expiresInMs, download: $download)\n        bucket {\n          id\n        }\n        owner {\n          id\n        }\n      }\n    }\n  }\n": typeof types.FileDocument,
    "\n  query FileAt($bucket: ID!, $path: String!) {\n    node(id: $bucket) {\n      ... on Bucket {\n        file(path: $path) {\n          id\n          path\n        }\n      }\n    }\n  }\n": typeof types.FileAtDocument,
    "\n  mutation UploadFile($input: UploadFileInput!) {\n    uploadFile(input: $input) {\n      file {\n        id\n        status\n        path\n        sizeBytes\n        mimeType\n        sha256\n        url\n        publicUrl\n      }\n    }\n  }\n": typeof types.UploadFileDocument,
    "\n  mutation CreateUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n        method\n        headers\n        expiresAt\n        file {\n          id\n          status\n          sha256\n          url\n        }\n      }\n    }\n  }\n": typeof types.CreateUploadDocument,
    "\n  mutation MoveFile($input: MoveFileInput!) {\n    moveFile(input: $input) {\n      file {\n        id\n        path\n        bucket {\n          id\n        }\n      }\n    }\n  }\n": typeof types.MoveFileDocument,
    "\n  mutation DeleteFile($input: DeleteFileInput!) {\n    deleteFile(input: $input) {\n      deletedFileId\n      bucket {\n        id\n        usedBytes\n      }\n    }\n  }\n": typeof types.DeleteFileDocument,
    "\n  mutation CreateProject($input: CreateProjectInput!) {\n    createProject(input: $input) {\n      project {\n        id\n      }\n    }\n  }\n": typeof types.CreateProjectDocument,
    "\n  mutation AddMember($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n": typeof types.AddMemberDocument,
    "\n  mutation RemoveMember($input: RemoveMemberInput!) {\n    removeMember(input: $input) {\n      deletedMemberId\n    }\n  }\n": typeof types.RemoveMemberDocument,
    "\n  mutation RefreshCatalog($input: RefreshCatalogInput!) {\n    refreshCatalog(input: $input) {\n      database {\n        id\n        catalogFingerprint\n      }\n      changes {\n        position\n        kind\n        object\n        path\n        before\n        after\n        fingerprint\n        node {\n          __typename\n          id\n        }\n      }\n    }\n  }\n": typeof types.RefreshCatalogDocument,
    "\n  query CatalogChanges($id: ID!, $first: Int, $after: String) {\n    database(id: $id) {\n      catalogChanges(first: $first, after: $after) {\n        totalCount\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n        nodes {\n          position\n          kind\n          path\n        }\n      }\n    }\n  }\n": typeof types.CatalogChangesDocument,
    "\n  subscription CatalogChanged($databaseId: ID!, $after: String) {\n    catalogChanged(databaseId: $databaseId, after: $after) {\n      position\n      kind\n      object\n      path\n    }\n  }\n": typeof types.CatalogChangedDocument,
    "\n  mutation EnableChangeTracking($input: EnableChangeTrackingInput!) {\n    enableChangeTracking(input: $input) {\n      database {\n        id\n        changeTracking\n      }\n    }\n  }\n": typeof types.EnableChangeTrackingDocument,
    "\n  mutation DisableChangeTracking($input: DisableChangeTrackingInput!) {\n    disableChangeTracking(input: $input) {\n      database {\n        id\n        changeTracking\n      }\n    }\n  }\n": typeof types.DisableChangeTrackingDocument,
    "\n  mutation Broadcast($input: BroadcastInput!) {\n    broadcast(input: $input) {\n      ok\n    }\n  }\n": typeof types.BroadcastDocument,
    "\n  subscription Messages($projectId: ID!, $channel: String!, $after: String) {\n    messages(projectId: $projectId, channel: $channel, after: $after) {\n      position\n      channel\n      payload\n      sender {\n        id\n      }\n      sentAt\n    }\n  }\n": typeof types.MessagesDocument,
    "\n  subscription LiveQuery($databaseId: ID!, $sql: String!, $parameters: [JSON], $maxRows: Int, $key: [String!]) {\n    liveQuery(databaseId: $databaseId, sql: $sql, parameters: $parameters, maxRows: $maxRows, key: $key) {\n      version\n      columns {\n        name\n        dataType\n        column {\n          id\n        }\n      }\n      rows {\n        key\n        index\n        values\n      }\n      upserted {\n        key\n        index\n        values\n      }\n      removed\n      cause\n      polled\n    }\n  }\n": typeof types.LiveQueryDocument,
    "\n  query ChangeFeedHealth($databaseId: ID!) {\n    database(id: $databaseId) {\n      changeTracking\n      health {\n        ok\n        changeFeed {\n          kept\n          tables\n          readers\n          retainedBytes\n          safeBytes\n          lagMs\n          heardAt\n        }\n        changeFeedProblem {\n          message\n          at\n        }\n      }\n    }\n  }\n": typeof types.ChangeFeedHealthDocument,
    "\n  query AuditLog($actorId: ID, $action: String, $since: DateTime, $first: Int, $after: String) {\n    auditLog(actorId: $actorId, action: $action, since: $since, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        createdAt\n        actor {\n          id\n        }\n        action\n        subject\n        outcome\n        ipAddress\n        details\n      }\n    }\n  }\n": typeof types.AuditLogDocument,
    "\n  mutation CreateApiKey($input: CreateApiKeyInput!) {\n    createApiKey(input: $input) {\n      secret\n      apiKey {\n        id\n        prefix\n        scopes\n      }\n    }\n  }\n": typeof types.CreateApiKeyDocument,
    "\n  mutation RevokeApiKey($id: ID!) {\n    revokeApiKey(input: { id: $id }) {\n      apiKey {\n        revokedAt\n      }\n    }\n  }\n": typeof types.RevokeApiKeyDocument,
};
const documents: Documents = {
    "\n  mutation Probe($input: TestConnectionInput!) {\n    testConnection(input: $input) {\n      report {\n        ok\n        problems {\n          code\n          message\n          hint\n        }\n      }\n    }\n  }\n": types.ProbeDocument,
    "\n  query Page($id: ID!, $offset: Int!) {\n    job(id: $id) {\n      result(index: 0) {\n        rowCount\n        truncated\n        rows(first: 10, offset: $offset) {\n          rows\n          hasNextPage\n        }\n      }\n    }\n  }\n": types.PageDocument,
    "\n  mutation ReadOnly($id: ID!, $readOnly: Boolean!) {\n    updateDatabase(input: { id: $id, readOnly: $readOnly }) {\n      database {\n        readOnly\n      }\n    }\n  }\n": types.ReadOnlyDocument,
    "\n  mutation Share($name: String!) {\n    createProject(input: { name: $name }) {\n      project {\n        id\n      }\n    }\n  }\n": types.ShareDocument,
    "\n  mutation Join($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        role\n      }\n    }\n  }\n": types.JoinDocument,
    "\n  mutation Host($name: String!) {\n    createHostedDatabase(input: { name: $name }) {\n      database {\n        id\n      }\n    }\n  }\n": types.HostDocument,
    "\n  query Outcome($id: ID!) {\n    job(id: $id) {\n      id\n      status\n      startedAt\n      durationMs\n      error {\n        code\n        message\n        sqlState\n        line\n        statement\n      }\n      notices(last: 1000)\n      results(first: 100) {\n        nodes {\n          command\n          rowCount\n          truncated\n          columns {\n            name\n            dataType\n          }\n          rows(first: 1000) {\n            rows\n          }\n        }\n      }\n    }\n  }\n": types.OutcomeDocument,
    "\n  query Me {\n    viewer {\n      id\n    }\n  }\n": types.MeDocument,
    "\n  mutation Login($input: LoginInput!) {\n    login(input: $input) {\n      accessToken\n      user {\n        id\n      }\n    }\n  }\n": types.LoginDocument,
    "\n  query EndedExport($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n      }\n      export {\n        files {\n          id\n        }\n      }\n    }\n  }\n": types.EndedExportDocument,
    "\n  mutation SubmitExport($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n      }\n    }\n  }\n": types.SubmitExportDocument,
    "\n  mutation ExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n        kind\n        source {\n          id\n        }\n      }\n    }\n  }\n": types.ExportJobDocument,
    "\n  query Exported($id: ID!) {\n    job(id: $id) {\n      status\n      maxRows\n      error {\n        code\n        message\n      }\n      results {\n        totalCount\n      }\n      export {\n        format\n        safe\n        compression\n        path\n        rows\n        sizeBytes\n        truncated\n        file {\n          id\n          sha256\n          sizeBytes\n          mimeType\n          url\n        }\n        files {\n          path\n        }\n      }\n    }\n  }\n": types.ExportedDocument,
    "\n  mutation ExportDefaults($input: UpdateSettingsInput!) {\n    updateSettings(input: $input) {\n      user {\n        settings {\n          defaultExportFormat\n          defaultExportPrefix\n          defaultExportBucket {\n            id\n            name\n          }\n        }\n      }\n    }\n  }\n": types.ExportDefaultsDocument,
    "\n  mutation MakeBucket($name: String!) {\n    createBucket(input: { name: $name }) {\n      bucket {\n        id\n      }\n    }\n  }\n": types.MakeBucketDocument,
    "\n  mutation DropExported($id: ID!) {\n    deleteFile(input: { id: $id }) {\n      deletedFileId\n    }\n  }\n": types.DropExportedDocument,
    "\n  mutation SaveWithExport($input: CreateSavedQueryInput!) {\n    createSavedQuery(input: $input) {\n      savedQuery {\n        id\n        export {\n          format\n          safe\n          path\n          compression\n          overwrite\n          bucket {\n            id\n          }\n        }\n      }\n    }\n  }\n": types.SaveWithExportDocument,
    "\n  mutation ChangeSavedExport($input: UpdateSavedQueryInput!) {\n    updateSavedQuery(input: $input) {\n      savedQuery {\n        export {\n          format\n        }\n      }\n    }\n  }\n": types.ChangeSavedExportDocument,
    "\n  mutation RunSavedExport($input: RunSavedQueryInput!) {\n    runSavedQuery(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": types.RunSavedExportDocument,
    "\n  mutation RetryExport($id: ID!) {\n    retryJob(input: { id: $id }) {\n      job {\n        id\n      }\n    }\n  }\n": types.RetryExportDocument,
    "\n  query TimeoutOf($id: ID!) {\n    job(id: $id) {\n      timeoutMs\n    }\n  }\n": types.TimeoutOfDocument,
    "\n  mutation DropJob($id: ID!) {\n    deleteJob(input: { id: $id }) {\n      deletedJobId\n    }\n  }\n": types.DropJobDocument,
    "\n  mutation PlaceProject {\n    createProject(input: { name: \"shared\" }) {\n      project {\n        id\n      }\n    }\n  }\n": types.PlaceProjectDocument,
    "\n  mutation PlaceMember($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n": types.PlaceMemberDocument,
    "\n  mutation PlaceRole($id: ID!, $role: ProjectRole!) {\n    updateMember(input: { id: $id, role: $role }) {\n      member {\n        role\n      }\n    }\n  }\n": types.PlaceRoleDocument,
    "\n  mutation PlaceLeave($id: ID!) {\n    removeMember(input: { id: $id }) {\n      deletedMemberId\n    }\n  }\n": types.PlaceLeaveDocument,
    "\n  mutation PlaceBucket($input: CreateBucketInput!) {\n    createBucket(input: $input) {\n      bucket {\n        id\n      }\n    }\n  }\n": types.PlaceBucketDocument,
    "\n  mutation PlaceDrop($id: ID!, $force: Boolean) {\n    deleteBucket(input: { id: $id, force: $force }) {\n      deletedBucketId\n    }\n  }\n": types.PlaceDropDocument,
    "\n  mutation PlaceSubmit($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": types.PlaceSubmitDocument,
    "\n  mutation PlaceUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n        file {\n          id\n        }\n      }\n    }\n  }\n": types.PlaceUploadDocument,
    "\n  mutation PlaceMove($id: ID!, $path: String!) {\n    moveFile(input: { id: $id, path: $path }) {\n      file {\n        id\n      }\n    }\n  }\n": types.PlaceMoveDocument,
    "\n  query PlaceFiles($id: ID!) {\n    node(id: $id) {\n      ... on Bucket {\n        files {\n          nodes {\n            path\n            sha256\n          }\n        }\n      }\n    }\n  }\n": types.PlaceFilesDocument,
    "\n  query PlaceError($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n        message\n      }\n    }\n  }\n": types.PlaceErrorDocument,
    "\n  subscription PlaceProgress($id: ID!) {\n    jobUpdated(id: $id) {\n      status\n      progress {\n        rows\n        percent\n        estimatedRows\n      }\n      export {\n        rows\n        sizeBytes\n      }\n    }\n  }\n": types.PlaceProgressDocument,
    "\n  mutation PlaceExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": types.PlaceExportJobDocument,
    "\n  mutation PlaceDisconnect($id: ID!) {\n    disconnectDatabase(input: { id: $id }) {\n      deletedDatabaseId\n    }\n  }\n": types.PlaceDisconnectDocument,
    "\n  query PlaceKind($id: ID!) {\n    job(id: $id) {\n      kind\n      status\n      database {\n        id\n      }\n      export {\n        rows\n      }\n    }\n  }\n": types.PlaceKindDocument,
    "\n  query Tables($id: ID!) {\n    database(id: $id) {\n      tables(first: 5, kinds: [TABLE]) {\n        totalCount\n        nodes {\n          name\n          comment\n          columns {\n            name\n            dataType\n            nullable\n          }\n          foreignKeys {\n            referencedTableName\n          }\n        }\n      }\n    }\n  }\n": types.TablesDocument,
    "\n  mutation TestConnection($input: TestConnectionInput!) {\n    testConnection(input: $input) {\n      report {\n        ok\n        serverVersion\n        problems {\n          code\n          message\n          hint\n        }\n      }\n    }\n  }\n": types.TestConnectionDocument,
    "\n  query Expired($id: ID!) {\n    job(id: $id) {\n      status\n      result(index: 0) {\n        rowCount\n        expiresAt\n        columns {\n          name\n        }\n        rows {\n          rows\n        }\n      }\n    }\n  }\n": types.ExpiredDocument,
    "\n  query Expiry($id: ID!) {\n    job(id: $id) {\n      finishedAt\n      result(index: 0) {\n        expiresAt\n        rows {\n          rows\n        }\n      }\n    }\n  }\n": types.ExpiryDocument,
    "\n  query LongRow($id: ID!) {\n    job(id: $id) {\n      result(index: 0) {\n        rows(first: 1) {\n          rows\n        }\n      }\n    }\n  }\n": types.LongRowDocument,
    "\n  subscription LongRows($id: ID!) {\n    jobRows(id: $id) {\n      rows\n    }\n  }\n": types.LongRowsDocument,
    "\n  mutation Team {\n    createProject(input: { name: \"team\" }) {\n      project {\n        id\n      }\n    }\n  }\n": types.TeamDocument,
    "\n  mutation JoinTeam($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n": types.JoinTeamDocument,
    "\n  mutation LeaveTeam($id: ID!) {\n    removeMember(input: { id: $id }) {\n      deletedMemberId\n    }\n  }\n": types.LeaveTeamDocument,
    "\n  mutation Demote($id: ID!, $role: ProjectRole!) {\n    updateMember(input: { id: $id, role: $role }) {\n      member {\n        role\n      }\n    }\n  }\n": types.DemoteDocument,
    "\n  mutation Move($id: ID!, $projectId: ID) {\n    updateDatabase(input: { id: $id, projectId: $projectId }) {\n      database {\n        id\n      }\n    }\n  }\n": types.MoveDocument,
    "\n  mutation Dissolve($id: ID!) {\n    deleteProject(input: { id: $id }) {\n      deletedProjectId\n    }\n  }\n": types.DissolveDocument,
    "\n  query RowsOfAll($id: ID!) {\n    job(id: $id) {\n      results(first: 100) {\n        nodes {\n          index\n          rowCount\n          rows(first: 1) {\n            rows\n          }\n        }\n      }\n    }\n  }\n": types.RowsOfAllDocument,
    "\n  query RowsOfOne($id: ID!, $index: Int!) {\n    job(id: $id) {\n      result(index: $index) {\n        index\n        rows(first: 1) {\n          rows\n        }\n      }\n    }\n  }\n": types.RowsOfOneDocument,
    "\n  query NoticesOfAll($first: Int, $last: Int) {\n    jobs(first: $first) {\n      nodes {\n        id\n        notices(last: $last)\n        again: notices(last: 1)\n      }\n    }\n  }\n": types.NoticesOfAllDocument,
    "\n  query NoticesOfTwo($id: ID!, $other: ID!, $last: Int) {\n    job(id: $id) {\n      notices(last: $last)\n    }\n    other: job(id: $other) {\n      notices(last: $last)\n    }\n  }\n": types.NoticesOfTwoDocument,
    "\n  query NoticesOfMany {\n    jobs(first: 500) {\n      nodes {\n        a: notices(last: 1000)\n        b: notices(last: 1000)\n      }\n    }\n  }\n": types.NoticesOfManyDocument,
    "\n  mutation Retry($id: ID!) {\n    retryJob(input: { id: $id }) {\n      job {\n        ...Repeated\n        status\n        source {\n          id\n        }\n      }\n    }\n  }\n": types.RetryDocument,
    "\n  fragment Repeated on Job {\n    id\n    name\n    sql\n    parameters\n    readOnly\n    timeoutMs\n    maxRows\n    priority\n    maxAttempts\n    runAt\n    targetLabel\n    database {\n      id\n    }\n  }\n": types.RepeatedFragmentDoc,
    "\n  query Repeat($id: ID!) {\n    job(id: $id) {\n      ...Repeated\n      status\n      error {\n        code\n      }\n      source {\n        id\n      }\n      result(index: 0) {\n        rows {\n          rows\n        }\n      }\n    }\n  }\n": types.RepeatDocument,
    "\n  mutation Disconnect($id: ID!) {\n    disconnectDatabase(input: { id: $id }) {\n      deletedDatabaseId\n    }\n  }\n": types.DisconnectDocument,
    "\n  mutation MakeReadOnly($id: ID!, $readOnly: Boolean) {\n    updateDatabase(input: { id: $id, readOnly: $readOnly }) {\n      database {\n        readOnly\n      }\n    }\n  }\n": types.MakeReadOnlyDocument,
    "\n  mutation Submitted($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        priority\n        maxAttempts\n        runAt\n        source {\n          id\n        }\n      }\n    }\n  }\n": types.SubmittedDocument,
    "\n  mutation SetPriority($queuePriority: Int) {\n    updateSettings(input: { queuePriority: $queuePriority }) {\n      user {\n        settings {\n          queuePriority\n        }\n      }\n    }\n  }\n": types.SetPriorityDocument,
    "\n  mutation Typed($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        targetLabel\n        readOnly\n        database {\n          id\n        }\n      }\n    }\n  }\n": types.TypedDocument,
    "\n  query TypedOutcome($id: ID!) {\n    job(id: $id) {\n      status\n      targetLabel\n      database {\n        id\n      }\n      error {\n        code\n        message\n        hint\n      }\n      result(index: 0) {\n        rows {\n          rows\n        }\n      }\n    }\n  }\n": types.TypedOutcomeDocument,
    "\n  query Unfinished($bucket: ID!) {\n    viewer {\n      storage {\n        usedBytes\n        reservedBytes\n        limitBytes\n        files\n        filesLimit\n      }\n    }\n    node(id: $bucket) {\n      ... on Bucket {\n        uploads {\n          id\n          status\n          path\n          sizeBytes\n          upload {\n            url\n            method\n            file {\n              id\n            }\n          }\n        }\n      }\n    }\n  }\n": types.UnfinishedDocument,
    "\n  query StorageOf($id: ID!) {\n    node(id: $id) {\n      ... on User {\n        storage {\n          files\n        }\n      }\n    }\n  }\n": types.StorageOfDocument,
    "\n  query UploadOf($id: ID!) {\n    node(id: $id) {\n      ... on StoredFile {\n        upload {\n          url\n        }\n      }\n    }\n  }\n": types.UploadOfDocument,
    "\n  mutation NewUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n      }\n    }\n  }\n": types.NewUploadDocument,
    "\n  mutation S3ExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": types.S3ExportJobDocument,
    "\n  query S3Export($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n      }\n      export {\n        rows\n        files {\n          sha256\n          sizeBytes\n          url\n        }\n      }\n    }\n  }\n": types.S3ExportDocument,
    "\n  mutation Register($input: RegisterInput!) {\n    register(input: $input) {\n      auth {\n        accessToken\n        accessTokenExpiresAt\n        refreshToken\n        user {\n          id\n          email\n          role\n        }\n      }\n    }\n  }\n": types.RegisterDocument,
    "\n  mutation Logout($input: LogoutInput) {\n    logout(input: $input) {\n      ok\n    }\n  }\n": types.LogoutDocument,
    "\n  mutation Refresh($input: RefreshSessionInput!) {\n    refreshSession(input: $input) {\n      accessToken\n      refreshToken\n    }\n  }\n": types.RefreshDocument,
    "\n  query Databases($first: Int, $after: String) {\n    databases(first: $first, after: $after) {\n      totalCount\n      nodes {\n        id\n        name\n        readOnly\n        hosted\n        viewerRole\n      }\n    }\n  }\n": types.DatabasesDocument,
    "\n  mutation Connect($input: ConnectDatabaseInput!) {\n    connectDatabase(input: $input) {\n      database {\n        id\n        name\n        viewerRole\n      }\n      report {\n        ok\n        serverVersion\n      }\n    }\n  }\n": types.ConnectDocument,
    "\n  mutation Submit($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        revision\n      }\n    }\n  }\n": types.SubmitDocument,
    "\n  mutation Cancel($input: CancelJobInput!) {\n    cancelJob(input: $input) {\n      job {\n        id\n        status\n        cancelRequestedAt\n      }\n    }\n  }\n": types.CancelDocument,
    "\n  query Queue {\n    queue {\n      queued\n      running\n    }\n  }\n": types.QueueDocument,
    "\n  subscription JobUpdated($id: ID!) {\n    jobUpdated(id: $id) {\n      id\n      status\n      revision\n      progress {\n        rows\n        bytes\n        estimatedRows\n        percent\n      }\n      error {\n        code\n        message\n        sqlState\n        position\n        line\n      }\n    }\n  }\n": types.JobUpdatedDocument,
    "\n  subscription JobEvents($after: String) {\n    jobEvents(after: $after) {\n      position\n      job {\n        id\n        status\n      }\n    }\n  }\n": types.JobEventsDocument,
    "\n  query Job($id: ID!, $first: Int = 100, $after: String) {\n    job(id: $id) {\n      id\n      status\n      revision\n      attempt\n      finishedAt\n      error {\n        code\n        message\n      }\n      result(index: 0) {\n        command\n        rowCount\n        truncated\n        columns {\n          name\n          dataType\n        }\n        rows(first: $first, after: $after) {\n          rows\n          endCursor\n          hasNextPage\n        }\n      }\n    }\n  }\n": types.JobDocument,
    "\n  subscription JobRows($id: ID!, $batchSize: Int, $after: String) {\n    jobRows(id: $id, batchSize: $batchSize, after: $after) {\n      resultSet\n      columns {\n        name\n        dataType\n      }\n      rows\n      cursor\n    }\n  }\n": types.JobRowsDocument,
    "\n  subscription RowChanges($databaseId: ID!, $tables: [RowChangeSource!]!, $after: String, $batchSize: Int) {\n    rowChanges(databaseId: $databaseId, tables: $tables, after: $after, batchSize: $batchSize) {\n      position\n      changes {\n        event\n        tableId\n        schema\n        table\n        key\n        position\n        committedAt\n        transactionId\n        old\n        new\n        changedColumns\n        unchangedColumns\n      }\n    }\n  }\n": types.RowChangesDocument,
    "\n  mutation Explain($input: ExplainQueryInput!) {\n    explainQuery(input: $input) {\n      plan {\n        plan\n        text\n        estimatedCost\n        estimatedRows\n        reads\n        writes\n        warnings\n      }\n    }\n  }\n": types.ExplainDocument,
    "\n  mutation CreateSavedQuery($input: CreateSavedQueryInput!) {\n    createSavedQuery(input: $input) {\n      savedQuery {\n        id\n        nextRunAt\n      }\n    }\n  }\n": types.CreateSavedQueryDocument,
    "\n  mutation UpdateSavedQuery($input: UpdateSavedQueryInput!) {\n    updateSavedQuery(input: $input) {\n      savedQuery {\n        id\n        name\n        schedule\n        scheduleEnabled\n        scheduleProblem\n        nextRunAt\n        owner {\n          id\n        }\n      }\n    }\n  }\n": types.UpdateSavedQueryDocument,
    "\n  mutation DeleteSavedQuery($input: DeleteSavedQueryInput!) {\n    deleteSavedQuery(input: $input) {\n      deletedSavedQueryId\n    }\n  }\n": types.DeleteSavedQueryDocument,
    "\n  mutation RunSavedQuery($input: RunSavedQueryInput!) {\n    runSavedQuery(input: $input) {\n      job {\n        id\n        savedQuery {\n          id\n        }\n      }\n    }\n  }\n": types.RunSavedQueryDocument,
    "\n  query SavedQueries($projectId: ID, $search: String, $first: Int, $after: String) {\n    savedQueries(projectId: $projectId, search: $search, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        name\n        sql\n        schedule\n        scheduleEnabled\n        nextRunAt\n        database {\n          id\n        }\n        project {\n          id\n        }\n        owner {\n          id\n        }\n        lastJob {\n          id\n          status\n        }\n      }\n    }\n  }\n": types.SavedQueriesDocument,
    "\n  query JobsOfSavedQuery($savedQueryId: ID) {\n    jobs(savedQueryId: $savedQueryId) {\n      totalCount\n      nodes {\n        id\n        savedQuery {\n          id\n        }\n      }\n    }\n  }\n": types.JobsOfSavedQueryDocument,
    "\n  mutation CreateBucket($input: CreateBucketInput!) {\n    createBucket(input: $input) {\n      bucket {\n        id\n        name\n        public\n        viewerRole\n        maxFileSizeBytes\n        allowedMimeTypes\n        usedBytes\n        owner {\n          id\n        }\n        project {\n          id\n        }\n      }\n    }\n  }\n": types.CreateBucketDocument,
    "\n  mutation UpdateBucket($input: UpdateBucketInput!) {\n    updateBucket(input: $input) {\n      bucket {\n        id\n        public\n        maxFileSizeBytes\n        allowedMimeTypes\n      }\n    }\n  }\n": types.UpdateBucketDocument,
    "\n  mutation DeleteBucket($input: DeleteBucketInput!) {\n    deleteBucket(input: $input) {\n      deletedBucketId\n    }\n  }\n": types.DeleteBucketDocument,
    "\n  query Buckets($projectId: ID, $first: Int, $after: String) {\n    buckets(projectId: $projectId, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        name\n        viewerRole\n        usedBytes\n      }\n    }\n  }\n": types.BucketsDocument,
    "\n  query Files($bucket: ID!, $prefix: String, $first: Int, $after: String) {\n    node(id: $bucket) {\n      ... on Bucket {\n        usedBytes\n        files(prefix: $prefix, first: $first, after: $after) {\n          totalCount\n          pageInfo {\n            hasNextPage\n            endCursor\n          }\n          nodes {\n            id\n            path\n            sizeBytes\n          }\n        }\n      }\n    }\n  }\n": types.FilesDocument,
    "\n  query File($id: ID!, $expiresInMs: Int, $download: Boolean) {\n    node(id: $id) {\n      ... on StoredFile {\n        id\n        status\n        path\n        sizeBytes\n        mimeType\n        sha256\n        publicUrl\n        url(expiresInMs: $expiresInMs, download: $download)\n        bucket {\n          id\n        }\n        owner {\n          id\n        }\n      }\n    }\n  }\n": types.FileDocument,
    "\n  query FileAt($bucket: ID!, $path: String!) {\n    node(id: $bucket) {\n      ... on Bucket {\n        file(path: $path) {\n          id\n          path\n        }\n      }\n    }\n  }\n": types.FileAtDocument,
    "\n  mutation UploadFile($input: UploadFileInput!) {\n    uploadFile(input: $input) {\n      file {\n        id\n        status\n        path\n        sizeBytes\n        mimeType\n        sha256\n        url\n        publicUrl\n      }\n    }\n  }\n": types.UploadFileDocument,
    "\n  mutation CreateUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n        method\n        headers\n        expiresAt\n        file {\n          id\n          status\n          sha256\n          url\n        }\n      }\n    }\n  }\n": types.CreateUploadDocument,
    "\n  mutation MoveFile($input: MoveFileInput!) {\n    moveFile(input: $input) {\n      file {\n        id\n        path\n        bucket {\n          id\n        }\n      }\n    }\n  }\n": types.MoveFileDocument,
    "\n  mutation DeleteFile($input: DeleteFileInput!) {\n    deleteFile(input: $input) {\n      deletedFileId\n      bucket {\n        id\n        usedBytes\n      }\n    }\n  }\n": types.DeleteFileDocument,
    "\n  mutation CreateProject($input: CreateProjectInput!) {\n    createProject(input: $input) {\n      project {\n        id\n      }\n    }\n  }\n": types.CreateProjectDocument,
    "\n  mutation AddMember($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n": types.AddMemberDocument,
    "\n  mutation RemoveMember($input: RemoveMemberInput!) {\n    removeMember(input: $input) {\n      deletedMemberId\n    }\n  }\n": types.RemoveMemberDocument,
    "\n  mutation RefreshCatalog($input: RefreshCatalogInput!) {\n    refreshCatalog(input: $input) {\n      database {\n        id\n        catalogFingerprint\n      }\n      changes {\n        position\n        kind\n        object\n        path\n        before\n        after\n        fingerprint\n        node {\n          __typename\n          id\n        }\n      }\n    }\n  }\n": types.RefreshCatalogDocument,
    "\n  query CatalogChanges($id: ID!, $first: Int, $after: String) {\n    database(id: $id) {\n      catalogChanges(first: $first, after: $after) {\n        totalCount\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n        nodes {\n          position\n          kind\n          path\n        }\n      }\n    }\n  }\n": types.CatalogChangesDocument,
    "\n  subscription CatalogChanged($databaseId: ID!, $after: String) {\n    catalogChanged(databaseId: $databaseId, after: $after) {\n      position\n      kind\n      object\n      path\n    }\n  }\n": types.CatalogChangedDocument,
    "\n  mutation EnableChangeTracking($input: EnableChangeTrackingInput!) {\n    enableChangeTracking(input: $input) {\n      database {\n        id\n        changeTracking\n      }\n    }\n  }\n": types.EnableChangeTrackingDocument,
    "\n  mutation DisableChangeTracking($input: DisableChangeTrackingInput!) {\n    disableChangeTracking(input: $input) {\n      database {\n        id\n        changeTracking\n      }\n    }\n  }\n": types.DisableChangeTrackingDocument,
    "\n  mutation Broadcast($input: BroadcastInput!) {\n    broadcast(input: $input) {\n      ok\n    }\n  }\n": types.BroadcastDocument,
    "\n  subscription Messages($projectId: ID!, $channel: String!, $after: String) {\n    messages(projectId: $projectId, channel: $channel, after: $after) {\n      position\n      channel\n      payload\n      sender {\n        id\n      }\n      sentAt\n    }\n  }\n": types.MessagesDocument,
    "\n  subscription LiveQuery($databaseId: ID!, $sql: String!, $parameters: [JSON], $maxRows: Int, $key: [String!]) {\n    liveQuery(databaseId: $databaseId, sql: $sql, parameters: $parameters, maxRows: $maxRows, key: $key) {\n      version\n      columns {\n        name\n        dataType\n        column {\n          id\n        }\n      }\n      rows {\n        key\n        index\n        values\n      }\n      upserted {\n        key\n        index\n        values\n      }\n      removed\n      cause\n      polled\n    }\n  }\n": types.LiveQueryDocument,
    "\n  query ChangeFeedHealth($databaseId: ID!) {\n    database(id: $databaseId) {\n      changeTracking\n      health {\n        ok\n        changeFeed {\n          kept\n          tables\n          readers\n          retainedBytes\n          safeBytes\n          lagMs\n          heardAt\n        }\n        changeFeedProblem {\n          message\n          at\n        }\n      }\n    }\n  }\n": types.ChangeFeedHealthDocument,
    "\n  query AuditLog($actorId: ID, $action: String, $since: DateTime, $first: Int, $after: String) {\n    auditLog(actorId: $actorId, action: $action, since: $since, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        createdAt\n        actor {\n          id\n        }\n        action\n        subject\n        outcome\n        ipAddress\n        details\n      }\n    }\n  }\n": types.AuditLogDocument,
    "\n  mutation CreateApiKey($input: CreateApiKeyInput!) {\n    createApiKey(input: $input) {\n      secret\n      apiKey {\n        id\n        prefix\n        scopes\n      }\n    }\n  }\n": types.CreateApiKeyDocument,
    "\n  mutation RevokeApiKey($id: ID!) {\n    revokeApiKey(input: { id: $id }) {\n      apiKey {\n        revokedAt\n      }\n    }\n  }\n": types.RevokeApiKeyDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 *
 *
 * @example
 * ```ts
 * const query = graphql(`query GetUser($id: ID!) { user(id: $id) { name } }`);
 * ```
 *
 * The query argument is unknown!
 * Please regenerate the types.
 */
export function graphql(source: string): unknown;

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Probe($input: TestConnectionInput!) {\n    testConnection(input: $input) {\n      report {\n        ok\n        problems {\n          code\n          message\n          hint\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Probe($input: TestConnectionInput!) {\n    testConnection(input: $input) {\n      report {\n        ok\n        problems {\n          code\n          message\n          hint\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Page($id: ID!, $offset: Int!) {\n    job(id: $id) {\n      result(index: 0) {\n        rowCount\n        truncated\n        rows(first: 10, offset: $offset) {\n          rows\n          hasNextPage\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Page($id: ID!, $offset: Int!) {\n    job(id: $id) {\n      result(index: 0) {\n        rowCount\n        truncated\n        rows(first: 10, offset: $offset) {\n          rows\n          hasNextPage\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation ReadOnly($id: ID!, $readOnly: Boolean!) {\n    updateDatabase(input: { id: $id, readOnly: $readOnly }) {\n      database {\n        readOnly\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation ReadOnly($id: ID!, $readOnly: Boolean!) {\n    updateDatabase(input: { id: $id, readOnly: $readOnly }) {\n      database {\n        readOnly\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Share($name: String!) {\n    createProject(input: { name: $name }) {\n      project {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Share($name: String!) {\n    createProject(input: { name: $name }) {\n      project {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Join($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        role\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Join($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        role\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Host($name: String!) {\n    createHostedDatabase(input: { name: $name }) {\n      database {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Host($name: String!) {\n    createHostedDatabase(input: { name: $name }) {\n      database {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Outcome($id: ID!) {\n    job(id: $id) {\n      id\n      status\n      startedAt\n      durationMs\n      error {\n        code\n        message\n        sqlState\n        line\n        statement\n      }\n      notices(last: 1000)\n      results(first: 100) {\n        nodes {\n          command\n          rowCount\n          truncated\n          columns {\n            name\n            dataType\n          }\n          rows(first: 1000) {\n            rows\n          }\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Outcome($id: ID!) {\n    job(id: $id) {\n      id\n      status\n      startedAt\n      durationMs\n      error {\n        code\n        message\n        sqlState\n        line\n        statement\n      }\n      notices(last: 1000)\n      results(first: 100) {\n        nodes {\n          command\n          rowCount\n          truncated\n          columns {\n            name\n            dataType\n          }\n          rows(first: 1000) {\n            rows\n          }\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Me {\n    viewer {\n      id\n    }\n  }\n"): (typeof documents)["\n  query Me {\n    viewer {\n      id\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Login($input: LoginInput!) {\n    login(input: $input) {\n      accessToken\n      user {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Login($input: LoginInput!) {\n    login(input: $input) {\n      accessToken\n      user {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query EndedExport($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n      }\n      export {\n        files {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query EndedExport($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n      }\n      export {\n        files {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation SubmitExport($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation SubmitExport($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation ExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n        kind\n        source {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation ExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n        kind\n        source {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Exported($id: ID!) {\n    job(id: $id) {\n      status\n      maxRows\n      error {\n        code\n        message\n      }\n      results {\n        totalCount\n      }\n      export {\n        format\n        safe\n        compression\n        path\n        rows\n        sizeBytes\n        truncated\n        file {\n          id\n          sha256\n          sizeBytes\n          mimeType\n          url\n        }\n        files {\n          path\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Exported($id: ID!) {\n    job(id: $id) {\n      status\n      maxRows\n      error {\n        code\n        message\n      }\n      results {\n        totalCount\n      }\n      export {\n        format\n        safe\n        compression\n        path\n        rows\n        sizeBytes\n        truncated\n        file {\n          id\n          sha256\n          sizeBytes\n          mimeType\n          url\n        }\n        files {\n          path\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation ExportDefaults($input: UpdateSettingsInput!) {\n    updateSettings(input: $input) {\n      user {\n        settings {\n          defaultExportFormat\n          defaultExportPrefix\n          defaultExportBucket {\n            id\n            name\n          }\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation ExportDefaults($input: UpdateSettingsInput!) {\n    updateSettings(input: $input) {\n      user {\n        settings {\n          defaultExportFormat\n          defaultExportPrefix\n          defaultExportBucket {\n            id\n            name\n          }\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation MakeBucket($name: String!) {\n    createBucket(input: { name: $name }) {\n      bucket {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation MakeBucket($name: String!) {\n    createBucket(input: { name: $name }) {\n      bucket {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DropExported($id: ID!) {\n    deleteFile(input: { id: $id }) {\n      deletedFileId\n    }\n  }\n"): (typeof documents)["\n  mutation DropExported($id: ID!) {\n    deleteFile(input: { id: $id }) {\n      deletedFileId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation SaveWithExport($input: CreateSavedQueryInput!) {\n    createSavedQuery(input: $input) {\n      savedQuery {\n        id\n        export {\n          format\n          safe\n          path\n          compression\n          overwrite\n          bucket {\n            id\n          }\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation SaveWithExport($input: CreateSavedQueryInput!) {\n    createSavedQuery(input: $input) {\n      savedQuery {\n        id\n        export {\n          format\n          safe\n          path\n          compression\n          overwrite\n          bucket {\n            id\n          }\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation ChangeSavedExport($input: UpdateSavedQueryInput!) {\n    updateSavedQuery(input: $input) {\n      savedQuery {\n        export {\n          format\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation ChangeSavedExport($input: UpdateSavedQueryInput!) {\n    updateSavedQuery(input: $input) {\n      savedQuery {\n        export {\n          format\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation RunSavedExport($input: RunSavedQueryInput!) {\n    runSavedQuery(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation RunSavedExport($input: RunSavedQueryInput!) {\n    runSavedQuery(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation RetryExport($id: ID!) {\n    retryJob(input: { id: $id }) {\n      job {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation RetryExport($id: ID!) {\n    retryJob(input: { id: $id }) {\n      job {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query TimeoutOf($id: ID!) {\n    job(id: $id) {\n      timeoutMs\n    }\n  }\n"): (typeof documents)["\n  query TimeoutOf($id: ID!) {\n    job(id: $id) {\n      timeoutMs\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DropJob($id: ID!) {\n    deleteJob(input: { id: $id }) {\n      deletedJobId\n    }\n  }\n"): (typeof documents)["\n  mutation DropJob($id: ID!) {\n    deleteJob(input: { id: $id }) {\n      deletedJobId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceProject {\n    createProject(input: { name: \"shared\" }) {\n      project {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceProject {\n    createProject(input: { name: \"shared\" }) {\n      project {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceMember($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceMember($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceRole($id: ID!, $role: ProjectRole!) {\n    updateMember(input: { id: $id, role: $role }) {\n      member {\n        role\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceRole($id: ID!, $role: ProjectRole!) {\n    updateMember(input: { id: $id, role: $role }) {\n      member {\n        role\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceLeave($id: ID!) {\n    removeMember(input: { id: $id }) {\n      deletedMemberId\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceLeave($id: ID!) {\n    removeMember(input: { id: $id }) {\n      deletedMemberId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceBucket($input: CreateBucketInput!) {\n    createBucket(input: $input) {\n      bucket {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceBucket($input: CreateBucketInput!) {\n    createBucket(input: $input) {\n      bucket {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceDrop($id: ID!, $force: Boolean) {\n    deleteBucket(input: { id: $id, force: $force }) {\n      deletedBucketId\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceDrop($id: ID!, $force: Boolean) {\n    deleteBucket(input: { id: $id, force: $force }) {\n      deletedBucketId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceSubmit($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceSubmit($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n        file {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n        file {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceMove($id: ID!, $path: String!) {\n    moveFile(input: { id: $id, path: $path }) {\n      file {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceMove($id: ID!, $path: String!) {\n    moveFile(input: { id: $id, path: $path }) {\n      file {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query PlaceFiles($id: ID!) {\n    node(id: $id) {\n      ... on Bucket {\n        files {\n          nodes {\n            path\n            sha256\n          }\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query PlaceFiles($id: ID!) {\n    node(id: $id) {\n      ... on Bucket {\n        files {\n          nodes {\n            path\n            sha256\n          }\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query PlaceError($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n        message\n      }\n    }\n  }\n"): (typeof documents)["\n  query PlaceError($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n        message\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription PlaceProgress($id: ID!) {\n    jobUpdated(id: $id) {\n      status\n      progress {\n        rows\n        percent\n        estimatedRows\n      }\n      export {\n        rows\n        sizeBytes\n      }\n    }\n  }\n"): (typeof documents)["\n  subscription PlaceProgress($id: ID!) {\n    jobUpdated(id: $id) {\n      status\n      progress {\n        rows\n        percent\n        estimatedRows\n      }\n      export {\n        rows\n        sizeBytes\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PlaceDisconnect($id: ID!) {\n    disconnectDatabase(input: { id: $id }) {\n      deletedDatabaseId\n    }\n  }\n"): (typeof documents)["\n  mutation PlaceDisconnect($id: ID!) {\n    disconnectDatabase(input: { id: $id }) {\n      deletedDatabaseId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query PlaceKind($id: ID!) {\n    job(id: $id) {\n      kind\n      status\n      database {\n        id\n      }\n      export {\n        rows\n      }\n    }\n  }\n"): (typeof documents)["\n  query PlaceKind($id: ID!) {\n    job(id: $id) {\n      kind\n      status\n      database {\n        id\n      }\n      export {\n        rows\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Tables($id: ID!) {\n    database(id: $id) {\n      tables(first: 5, kinds: [TABLE]) {\n        totalCount\n        nodes {\n          name\n          comment\n          columns {\n            name\n            dataType\n            nullable\n          }\n          foreignKeys {\n            referencedTableName\n          }\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Tables($id: ID!) {\n    database(id: $id) {\n      tables(first: 5, kinds: [TABLE]) {\n        totalCount\n        nodes {\n          name\n          comment\n          columns {\n            name\n            dataType\n            nullable\n          }\n          foreignKeys {\n            referencedTableName\n          }\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation TestConnection($input: TestConnectionInput!) {\n    testConnection(input: $input) {\n      report {\n        ok\n        serverVersion\n        problems {\n          code\n          message\n          hint\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation TestConnection($input: TestConnectionInput!) {\n    testConnection(input: $input) {\n      report {\n        ok\n        serverVersion\n        problems {\n          code\n          message\n          hint\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Expired($id: ID!) {\n    job(id: $id) {\n      status\n      result(index: 0) {\n        rowCount\n        expiresAt\n        columns {\n          name\n        }\n        rows {\n          rows\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Expired($id: ID!) {\n    job(id: $id) {\n      status\n      result(index: 0) {\n        rowCount\n        expiresAt\n        columns {\n          name\n        }\n        rows {\n          rows\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Expiry($id: ID!) {\n    job(id: $id) {\n      finishedAt\n      result(index: 0) {\n        expiresAt\n        rows {\n          rows\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Expiry($id: ID!) {\n    job(id: $id) {\n      finishedAt\n      result(index: 0) {\n        expiresAt\n        rows {\n          rows\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query LongRow($id: ID!) {\n    job(id: $id) {\n      result(index: 0) {\n        rows(first: 1) {\n          rows\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query LongRow($id: ID!) {\n    job(id: $id) {\n      result(index: 0) {\n        rows(first: 1) {\n          rows\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription LongRows($id: ID!) {\n    jobRows(id: $id) {\n      rows\n    }\n  }\n"): (typeof documents)["\n  subscription LongRows($id: ID!) {\n    jobRows(id: $id) {\n      rows\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Team {\n    createProject(input: { name: \"team\" }) {\n      project {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Team {\n    createProject(input: { name: \"team\" }) {\n      project {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation JoinTeam($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation JoinTeam($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation LeaveTeam($id: ID!) {\n    removeMember(input: { id: $id }) {\n      deletedMemberId\n    }\n  }\n"): (typeof documents)["\n  mutation LeaveTeam($id: ID!) {\n    removeMember(input: { id: $id }) {\n      deletedMemberId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Demote($id: ID!, $role: ProjectRole!) {\n    updateMember(input: { id: $id, role: $role }) {\n      member {\n        role\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Demote($id: ID!, $role: ProjectRole!) {\n    updateMember(input: { id: $id, role: $role }) {\n      member {\n        role\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Move($id: ID!, $projectId: ID) {\n    updateDatabase(input: { id: $id, projectId: $projectId }) {\n      database {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Move($id: ID!, $projectId: ID) {\n    updateDatabase(input: { id: $id, projectId: $projectId }) {\n      database {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Dissolve($id: ID!) {\n    deleteProject(input: { id: $id }) {\n      deletedProjectId\n    }\n  }\n"): (typeof documents)["\n  mutation Dissolve($id: ID!) {\n    deleteProject(input: { id: $id }) {\n      deletedProjectId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query RowsOfAll($id: ID!) {\n    job(id: $id) {\n      results(first: 100) {\n        nodes {\n          index\n          rowCount\n          rows(first: 1) {\n            rows\n          }\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query RowsOfAll($id: ID!) {\n    job(id: $id) {\n      results(first: 100) {\n        nodes {\n          index\n          rowCount\n          rows(first: 1) {\n            rows\n          }\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query RowsOfOne($id: ID!, $index: Int!) {\n    job(id: $id) {\n      result(index: $index) {\n        index\n        rows(first: 1) {\n          rows\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query RowsOfOne($id: ID!, $index: Int!) {\n    job(id: $id) {\n      result(index: $index) {\n        index\n        rows(first: 1) {\n          rows\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query NoticesOfAll($first: Int, $last: Int) {\n    jobs(first: $first) {\n      nodes {\n        id\n        notices(last: $last)\n        again: notices(last: 1)\n      }\n    }\n  }\n"): (typeof documents)["\n  query NoticesOfAll($first: Int, $last: Int) {\n    jobs(first: $first) {\n      nodes {\n        id\n        notices(last: $last)\n        again: notices(last: 1)\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query NoticesOfTwo($id: ID!, $other: ID!, $last: Int) {\n    job(id: $id) {\n      notices(last: $last)\n    }\n    other: job(id: $other) {\n      notices(last: $last)\n    }\n  }\n"): (typeof documents)["\n  query NoticesOfTwo($id: ID!, $other: ID!, $last: Int) {\n    job(id: $id) {\n      notices(last: $last)\n    }\n    other: job(id: $other) {\n      notices(last: $last)\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query NoticesOfMany {\n    jobs(first: 500) {\n      nodes {\n        a: notices(last: 1000)\n        b: notices(last: 1000)\n      }\n    }\n  }\n"): (typeof documents)["\n  query NoticesOfMany {\n    jobs(first: 500) {\n      nodes {\n        a: notices(last: 1000)\n        b: notices(last: 1000)\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Retry($id: ID!) {\n    retryJob(input: { id: $id }) {\n      job {\n        ...Repeated\n        status\n        source {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Retry($id: ID!) {\n    retryJob(input: { id: $id }) {\n      job {\n        ...Repeated\n        status\n        source {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment Repeated on Job {\n    id\n    name\n    sql\n    parameters\n    readOnly\n    timeoutMs\n    maxRows\n    priority\n    maxAttempts\n    runAt\n    targetLabel\n    database {\n      id\n    }\n  }\n"): (typeof documents)["\n  fragment Repeated on Job {\n    id\n    name\n    sql\n    parameters\n    readOnly\n    timeoutMs\n    maxRows\n    priority\n    maxAttempts\n    runAt\n    targetLabel\n    database {\n      id\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Repeat($id: ID!) {\n    job(id: $id) {\n      ...Repeated\n      status\n      error {\n        code\n      }\n      source {\n        id\n      }\n      result(index: 0) {\n        rows {\n          rows\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Repeat($id: ID!) {\n    job(id: $id) {\n      ...Repeated\n      status\n      error {\n        code\n      }\n      source {\n        id\n      }\n      result(index: 0) {\n        rows {\n          rows\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Disconnect($id: ID!) {\n    disconnectDatabase(input: { id: $id }) {\n      deletedDatabaseId\n    }\n  }\n"): (typeof documents)["\n  mutation Disconnect($id: ID!) {\n    disconnectDatabase(input: { id: $id }) {\n      deletedDatabaseId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation MakeReadOnly($id: ID!, $readOnly: Boolean) {\n    updateDatabase(input: { id: $id, readOnly: $readOnly }) {\n      database {\n        readOnly\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation MakeReadOnly($id: ID!, $readOnly: Boolean) {\n    updateDatabase(input: { id: $id, readOnly: $readOnly }) {\n      database {\n        readOnly\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Submitted($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        priority\n        maxAttempts\n        runAt\n        source {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Submitted($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        priority\n        maxAttempts\n        runAt\n        source {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation SetPriority($queuePriority: Int) {\n    updateSettings(input: { queuePriority: $queuePriority }) {\n      user {\n        settings {\n          queuePriority\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation SetPriority($queuePriority: Int) {\n    updateSettings(input: { queuePriority: $queuePriority }) {\n      user {\n        settings {\n          queuePriority\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Typed($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        targetLabel\n        readOnly\n        database {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Typed($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        targetLabel\n        readOnly\n        database {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query TypedOutcome($id: ID!) {\n    job(id: $id) {\n      status\n      targetLabel\n      database {\n        id\n      }\n      error {\n        code\n        message\n        hint\n      }\n      result(index: 0) {\n        rows {\n          rows\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query TypedOutcome($id: ID!) {\n    job(id: $id) {\n      status\n      targetLabel\n      database {\n        id\n      }\n      error {\n        code\n        message\n        hint\n      }\n      result(index: 0) {\n        rows {\n          rows\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Unfinished($bucket: ID!) {\n    viewer {\n      storage {\n        usedBytes\n        reservedBytes\n        limitBytes\n        files\n        filesLimit\n      }\n    }\n    node(id: $bucket) {\n      ... on Bucket {\n        uploads {\n          id\n          status\n          path\n          sizeBytes\n          upload {\n            url\n            method\n            file {\n              id\n            }\n          }\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Unfinished($bucket: ID!) {\n    viewer {\n      storage {\n        usedBytes\n        reservedBytes\n        limitBytes\n        files\n        filesLimit\n      }\n    }\n    node(id: $bucket) {\n      ... on Bucket {\n        uploads {\n          id\n          status\n          path\n          sizeBytes\n          upload {\n            url\n            method\n            file {\n              id\n            }\n          }\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query StorageOf($id: ID!) {\n    node(id: $id) {\n      ... on User {\n        storage {\n          files\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query StorageOf($id: ID!) {\n    node(id: $id) {\n      ... on User {\n        storage {\n          files\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query UploadOf($id: ID!) {\n    node(id: $id) {\n      ... on StoredFile {\n        upload {\n          url\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query UploadOf($id: ID!) {\n    node(id: $id) {\n      ... on StoredFile {\n        upload {\n          url\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation NewUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation NewUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation S3ExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation S3ExportJob($input: ExportJobInput!) {\n    exportJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query S3Export($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n      }\n      export {\n        rows\n        files {\n          sha256\n          sizeBytes\n          url\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query S3Export($id: ID!) {\n    job(id: $id) {\n      status\n      error {\n        code\n      }\n      export {\n        rows\n        files {\n          sha256\n          sizeBytes\n          url\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Register($input: RegisterInput!) {\n    register(input: $input) {\n      auth {\n        accessToken\n        accessTokenExpiresAt\n        refreshToken\n        user {\n          id\n          email\n          role\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Register($input: RegisterInput!) {\n    register(input: $input) {\n      auth {\n        accessToken\n        accessTokenExpiresAt\n        refreshToken\n        user {\n          id\n          email\n          role\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Logout($input: LogoutInput) {\n    logout(input: $input) {\n      ok\n    }\n  }\n"): (typeof documents)["\n  mutation Logout($input: LogoutInput) {\n    logout(input: $input) {\n      ok\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Refresh($input: RefreshSessionInput!) {\n    refreshSession(input: $input) {\n      accessToken\n      refreshToken\n    }\n  }\n"): (typeof documents)["\n  mutation Refresh($input: RefreshSessionInput!) {\n    refreshSession(input: $input) {\n      accessToken\n      refreshToken\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Databases($first: Int, $after: String) {\n    databases(first: $first, after: $after) {\n      totalCount\n      nodes {\n        id\n        name\n        readOnly\n        hosted\n        viewerRole\n      }\n    }\n  }\n"): (typeof documents)["\n  query Databases($first: Int, $after: String) {\n    databases(first: $first, after: $after) {\n      totalCount\n      nodes {\n        id\n        name\n        readOnly\n        hosted\n        viewerRole\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Connect($input: ConnectDatabaseInput!) {\n    connectDatabase(input: $input) {\n      database {\n        id\n        name\n        viewerRole\n      }\n      report {\n        ok\n        serverVersion\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Connect($input: ConnectDatabaseInput!) {\n    connectDatabase(input: $input) {\n      database {\n        id\n        name\n        viewerRole\n      }\n      report {\n        ok\n        serverVersion\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Submit($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        revision\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Submit($input: SubmitQueryInput!) {\n    submitQuery(input: $input) {\n      created\n      job {\n        id\n        status\n        revision\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Cancel($input: CancelJobInput!) {\n    cancelJob(input: $input) {\n      job {\n        id\n        status\n        cancelRequestedAt\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Cancel($input: CancelJobInput!) {\n    cancelJob(input: $input) {\n      job {\n        id\n        status\n        cancelRequestedAt\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Queue {\n    queue {\n      queued\n      running\n    }\n  }\n"): (typeof documents)["\n  query Queue {\n    queue {\n      queued\n      running\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription JobUpdated($id: ID!) {\n    jobUpdated(id: $id) {\n      id\n      status\n      revision\n      progress {\n        rows\n        bytes\n        estimatedRows\n        percent\n      }\n      error {\n        code\n        message\n        sqlState\n        position\n        line\n      }\n    }\n  }\n"): (typeof documents)["\n  subscription JobUpdated($id: ID!) {\n    jobUpdated(id: $id) {\n      id\n      status\n      revision\n      progress {\n        rows\n        bytes\n        estimatedRows\n        percent\n      }\n      error {\n        code\n        message\n        sqlState\n        position\n        line\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription JobEvents($after: String) {\n    jobEvents(after: $after) {\n      position\n      job {\n        id\n        status\n      }\n    }\n  }\n"): (typeof documents)["\n  subscription JobEvents($after: String) {\n    jobEvents(after: $after) {\n      position\n      job {\n        id\n        status\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Job($id: ID!, $first: Int = 100, $after: String) {\n    job(id: $id) {\n      id\n      status\n      revision\n      attempt\n      finishedAt\n      error {\n        code\n        message\n      }\n      result(index: 0) {\n        command\n        rowCount\n        truncated\n        columns {\n          name\n          dataType\n        }\n        rows(first: $first, after: $after) {\n          rows\n          endCursor\n          hasNextPage\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Job($id: ID!, $first: Int = 100, $after: String) {\n    job(id: $id) {\n      id\n      status\n      revision\n      attempt\n      finishedAt\n      error {\n        code\n        message\n      }\n      result(index: 0) {\n        command\n        rowCount\n        truncated\n        columns {\n          name\n          dataType\n        }\n        rows(first: $first, after: $after) {\n          rows\n          endCursor\n          hasNextPage\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription JobRows($id: ID!, $batchSize: Int, $after: String) {\n    jobRows(id: $id, batchSize: $batchSize, after: $after) {\n      resultSet\n      columns {\n        name\n        dataType\n      }\n      rows\n      cursor\n    }\n  }\n"): (typeof documents)["\n  subscription JobRows($id: ID!, $batchSize: Int, $after: String) {\n    jobRows(id: $id, batchSize: $batchSize, after: $after) {\n      resultSet\n      columns {\n        name\n        dataType\n      }\n      rows\n      cursor\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription RowChanges($databaseId: ID!, $tables: [RowChangeSource!]!, $after: String, $batchSize: Int) {\n    rowChanges(databaseId: $databaseId, tables: $tables, after: $after, batchSize: $batchSize) {\n      position\n      changes {\n        event\n        tableId\n        schema\n        table\n        key\n        position\n        committedAt\n        transactionId\n        old\n        new\n        changedColumns\n        unchangedColumns\n      }\n    }\n  }\n"): (typeof documents)["\n  subscription RowChanges($databaseId: ID!, $tables: [RowChangeSource!]!, $after: String, $batchSize: Int) {\n    rowChanges(databaseId: $databaseId, tables: $tables, after: $after, batchSize: $batchSize) {\n      position\n      changes {\n        event\n        tableId\n        schema\n        table\n        key\n        position\n        committedAt\n        transactionId\n        old\n        new\n        changedColumns\n        unchangedColumns\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Explain($input: ExplainQueryInput!) {\n    explainQuery(input: $input) {\n      plan {\n        plan\n        text\n        estimatedCost\n        estimatedRows\n        reads\n        writes\n        warnings\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation Explain($input: ExplainQueryInput!) {\n    explainQuery(input: $input) {\n      plan {\n        plan\n        text\n        estimatedCost\n        estimatedRows\n        reads\n        writes\n        warnings\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateSavedQuery($input: CreateSavedQueryInput!) {\n    createSavedQuery(input: $input) {\n      savedQuery {\n        id\n        nextRunAt\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation CreateSavedQuery($input: CreateSavedQueryInput!) {\n    createSavedQuery(input: $input) {\n      savedQuery {\n        id\n        nextRunAt\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UpdateSavedQuery($input: UpdateSavedQueryInput!) {\n    updateSavedQuery(input: $input) {\n      savedQuery {\n        id\n        name\n        schedule\n        scheduleEnabled\n        scheduleProblem\n        nextRunAt\n        owner {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation UpdateSavedQuery($input: UpdateSavedQueryInput!) {\n    updateSavedQuery(input: $input) {\n      savedQuery {\n        id\n        name\n        schedule\n        scheduleEnabled\n        scheduleProblem\n        nextRunAt\n        owner {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DeleteSavedQuery($input: DeleteSavedQueryInput!) {\n    deleteSavedQuery(input: $input) {\n      deletedSavedQueryId\n    }\n  }\n"): (typeof documents)["\n  mutation DeleteSavedQuery($input: DeleteSavedQueryInput!) {\n    deleteSavedQuery(input: $input) {\n      deletedSavedQueryId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation RunSavedQuery($input: RunSavedQueryInput!) {\n    runSavedQuery(input: $input) {\n      job {\n        id\n        savedQuery {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation RunSavedQuery($input: RunSavedQueryInput!) {\n    runSavedQuery(input: $input) {\n      job {\n        id\n        savedQuery {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query SavedQueries($projectId: ID, $search: String, $first: Int, $after: String) {\n    savedQueries(projectId: $projectId, search: $search, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        name\n        sql\n        schedule\n        scheduleEnabled\n        nextRunAt\n        database {\n          id\n        }\n        project {\n          id\n        }\n        owner {\n          id\n        }\n        lastJob {\n          id\n          status\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query SavedQueries($projectId: ID, $search: String, $first: Int, $after: String) {\n    savedQueries(projectId: $projectId, search: $search, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        name\n        sql\n        schedule\n        scheduleEnabled\n        nextRunAt\n        database {\n          id\n        }\n        project {\n          id\n        }\n        owner {\n          id\n        }\n        lastJob {\n          id\n          status\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query JobsOfSavedQuery($savedQueryId: ID) {\n    jobs(savedQueryId: $savedQueryId) {\n      totalCount\n      nodes {\n        id\n        savedQuery {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query JobsOfSavedQuery($savedQueryId: ID) {\n    jobs(savedQueryId: $savedQueryId) {\n      totalCount\n      nodes {\n        id\n        savedQuery {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateBucket($input: CreateBucketInput!) {\n    createBucket(input: $input) {\n      bucket {\n        id\n        name\n        public\n        viewerRole\n        maxFileSizeBytes\n        allowedMimeTypes\n        usedBytes\n        owner {\n          id\n        }\n        project {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation CreateBucket($input: CreateBucketInput!) {\n    createBucket(input: $input) {\n      bucket {\n        id\n        name\n        public\n        viewerRole\n        maxFileSizeBytes\n        allowedMimeTypes\n        usedBytes\n        owner {\n          id\n        }\n        project {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UpdateBucket($input: UpdateBucketInput!) {\n    updateBucket(input: $input) {\n      bucket {\n        id\n        public\n        maxFileSizeBytes\n        allowedMimeTypes\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation UpdateBucket($input: UpdateBucketInput!) {\n    updateBucket(input: $input) {\n      bucket {\n        id\n        public\n        maxFileSizeBytes\n        allowedMimeTypes\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DeleteBucket($input: DeleteBucketInput!) {\n    deleteBucket(input: $input) {\n      deletedBucketId\n    }\n  }\n"): (typeof documents)["\n  mutation DeleteBucket($input: DeleteBucketInput!) {\n    deleteBucket(input: $input) {\n      deletedBucketId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Buckets($projectId: ID, $first: Int, $after: String) {\n    buckets(projectId: $projectId, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        name\n        viewerRole\n        usedBytes\n      }\n    }\n  }\n"): (typeof documents)["\n  query Buckets($projectId: ID, $first: Int, $after: String) {\n    buckets(projectId: $projectId, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        name\n        viewerRole\n        usedBytes\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Files($bucket: ID!, $prefix: String, $first: Int, $after: String) {\n    node(id: $bucket) {\n      ... on Bucket {\n        usedBytes\n        files(prefix: $prefix, first: $first, after: $after) {\n          totalCount\n          pageInfo {\n            hasNextPage\n            endCursor\n          }\n          nodes {\n            id\n            path\n            sizeBytes\n          }\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Files($bucket: ID!, $prefix: String, $first: Int, $after: String) {\n    node(id: $bucket) {\n      ... on Bucket {\n        usedBytes\n        files(prefix: $prefix, first: $first, after: $after) {\n          totalCount\n          pageInfo {\n            hasNextPage\n            endCursor\n          }\n          nodes {\n            id\n            path\n            sizeBytes\n          }\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query File($id: ID!, $expiresInMs: Int, $download: Boolean) {\n    node(id: $id) {\n      ... on StoredFile {\n        id\n        status\n        path\n        sizeBytes\n        mimeType\n        sha256\n        publicUrl\n        url(expiresInMs: $expiresInMs, download: $download)\n        bucket {\n          id\n        }\n        owner {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query File($id: ID!, $expiresInMs: Int, $download: Boolean) {\n    node(id: $id) {\n      ... on StoredFile {\n        id\n        status\n        path\n        sizeBytes\n        mimeType\n        sha256\n        publicUrl\n        url(expiresInMs: $expiresInMs, download: $download)\n        bucket {\n          id\n        }\n        owner {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query FileAt($bucket: ID!, $path: String!) {\n    node(id: $bucket) {\n      ... on Bucket {\n        file(path: $path) {\n          id\n          path\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query FileAt($bucket: ID!, $path: String!) {\n    node(id: $bucket) {\n      ... on Bucket {\n        file(path: $path) {\n          id\n          path\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UploadFile($input: UploadFileInput!) {\n    uploadFile(input: $input) {\n      file {\n        id\n        status\n        path\n        sizeBytes\n        mimeType\n        sha256\n        url\n        publicUrl\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation UploadFile($input: UploadFileInput!) {\n    uploadFile(input: $input) {\n      file {\n        id\n        status\n        path\n        sizeBytes\n        mimeType\n        sha256\n        url\n        publicUrl\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n        method\n        headers\n        expiresAt\n        file {\n          id\n          status\n          sha256\n          url\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation CreateUpload($input: CreateUploadInput!) {\n    createUpload(input: $input) {\n      upload {\n        url\n        method\n        headers\n        expiresAt\n        file {\n          id\n          status\n          sha256\n          url\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation MoveFile($input: MoveFileInput!) {\n    moveFile(input: $input) {\n      file {\n        id\n        path\n        bucket {\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation MoveFile($input: MoveFileInput!) {\n    moveFile(input: $input) {\n      file {\n        id\n        path\n        bucket {\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DeleteFile($input: DeleteFileInput!) {\n    deleteFile(input: $input) {\n      deletedFileId\n      bucket {\n        id\n        usedBytes\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation DeleteFile($input: DeleteFileInput!) {\n    deleteFile(input: $input) {\n      deletedFileId\n      bucket {\n        id\n        usedBytes\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateProject($input: CreateProjectInput!) {\n    createProject(input: $input) {\n      project {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation CreateProject($input: CreateProjectInput!) {\n    createProject(input: $input) {\n      project {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation AddMember($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation AddMember($input: AddMemberInput!) {\n    addMember(input: $input) {\n      member {\n        id\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation RemoveMember($input: RemoveMemberInput!) {\n    removeMember(input: $input) {\n      deletedMemberId\n    }\n  }\n"): (typeof documents)["\n  mutation RemoveMember($input: RemoveMemberInput!) {\n    removeMember(input: $input) {\n      deletedMemberId\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation RefreshCatalog($input: RefreshCatalogInput!) {\n    refreshCatalog(input: $input) {\n      database {\n        id\n        catalogFingerprint\n      }\n      changes {\n        position\n        kind\n        object\n        path\n        before\n        after\n        fingerprint\n        node {\n          __typename\n          id\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation RefreshCatalog($input: RefreshCatalogInput!) {\n    refreshCatalog(input: $input) {\n      database {\n        id\n        catalogFingerprint\n      }\n      changes {\n        position\n        kind\n        object\n        path\n        before\n        after\n        fingerprint\n        node {\n          __typename\n          id\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query CatalogChanges($id: ID!, $first: Int, $after: String) {\n    database(id: $id) {\n      catalogChanges(first: $first, after: $after) {\n        totalCount\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n        nodes {\n          position\n          kind\n          path\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query CatalogChanges($id: ID!, $first: Int, $after: String) {\n    database(id: $id) {\n      catalogChanges(first: $first, after: $after) {\n        totalCount\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n        nodes {\n          position\n          kind\n          path\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription CatalogChanged($databaseId: ID!, $after: String) {\n    catalogChanged(databaseId: $databaseId, after: $after) {\n      position\n      kind\n      object\n      path\n    }\n  }\n"): (typeof documents)["\n  subscription CatalogChanged($databaseId: ID!, $after: String) {\n    catalogChanged(databaseId: $databaseId, after: $after) {\n      position\n      kind\n      object\n      path\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation EnableChangeTracking($input: EnableChangeTrackingInput!) {\n    enableChangeTracking(input: $input) {\n      database {\n        id\n        changeTracking\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation EnableChangeTracking($input: EnableChangeTrackingInput!) {\n    enableChangeTracking(input: $input) {\n      database {\n        id\n        changeTracking\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DisableChangeTracking($input: DisableChangeTrackingInput!) {\n    disableChangeTracking(input: $input) {\n      database {\n        id\n        changeTracking\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation DisableChangeTracking($input: DisableChangeTrackingInput!) {\n    disableChangeTracking(input: $input) {\n      database {\n        id\n        changeTracking\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Broadcast($input: BroadcastInput!) {\n    broadcast(input: $input) {\n      ok\n    }\n  }\n"): (typeof documents)["\n  mutation Broadcast($input: BroadcastInput!) {\n    broadcast(input: $input) {\n      ok\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription Messages($projectId: ID!, $channel: String!, $after: String) {\n    messages(projectId: $projectId, channel: $channel, after: $after) {\n      position\n      channel\n      payload\n      sender {\n        id\n      }\n      sentAt\n    }\n  }\n"): (typeof documents)["\n  subscription Messages($projectId: ID!, $channel: String!, $after: String) {\n    messages(projectId: $projectId, channel: $channel, after: $after) {\n      position\n      channel\n      payload\n      sender {\n        id\n      }\n      sentAt\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription LiveQuery($databaseId: ID!, $sql: String!, $parameters: [JSON], $maxRows: Int, $key: [String!]) {\n    liveQuery(databaseId: $databaseId, sql: $sql, parameters: $parameters, maxRows: $maxRows, key: $key) {\n      version\n      columns {\n        name\n        dataType\n        column {\n          id\n        }\n      }\n      rows {\n        key\n        index\n        values\n      }\n      upserted {\n        key\n        index\n        values\n      }\n      removed\n      cause\n      polled\n    }\n  }\n"): (typeof documents)["\n  subscription LiveQuery($databaseId: ID!, $sql: String!, $parameters: [JSON], $maxRows: Int, $key: [String!]) {\n    liveQuery(databaseId: $databaseId, sql: $sql, parameters: $parameters, maxRows: $maxRows, key: $key) {\n      version\n      columns {\n        name\n        dataType\n        column {\n          id\n        }\n      }\n      rows {\n        key\n        index\n        values\n      }\n      upserted {\n        key\n        index\n        values\n      }\n      removed\n      cause\n      polled\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ChangeFeedHealth($databaseId: ID!) {\n    database(id: $databaseId) {\n      changeTracking\n      health {\n        ok\n        changeFeed {\n          kept\n          tables\n          readers\n          retainedBytes\n          safeBytes\n          lagMs\n          heardAt\n        }\n        changeFeedProblem {\n          message\n          at\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query ChangeFeedHealth($databaseId: ID!) {\n    database(id: $databaseId) {\n      changeTracking\n      health {\n        ok\n        changeFeed {\n          kept\n          tables\n          readers\n          retainedBytes\n          safeBytes\n          lagMs\n          heardAt\n        }\n        changeFeedProblem {\n          message\n          at\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query AuditLog($actorId: ID, $action: String, $since: DateTime, $first: Int, $after: String) {\n    auditLog(actorId: $actorId, action: $action, since: $since, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        createdAt\n        actor {\n          id\n        }\n        action\n        subject\n        outcome\n        ipAddress\n        details\n      }\n    }\n  }\n"): (typeof documents)["\n  query AuditLog($actorId: ID, $action: String, $since: DateTime, $first: Int, $after: String) {\n    auditLog(actorId: $actorId, action: $action, since: $since, first: $first, after: $after) {\n      totalCount\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n      nodes {\n        id\n        createdAt\n        actor {\n          id\n        }\n        action\n        subject\n        outcome\n        ipAddress\n        details\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateApiKey($input: CreateApiKeyInput!) {\n    createApiKey(input: $input) {\n      secret\n      apiKey {\n        id\n        prefix\n        scopes\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation CreateApiKey($input: CreateApiKeyInput!) {\n    createApiKey(input: $input) {\n      secret\n      apiKey {\n        id\n        prefix\n        scopes\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation RevokeApiKey($id: ID!) {\n    revokeApiKey(input: { id: $id }) {\n      apiKey {\n        revokedAt\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation RevokeApiKey($id: ID!) {\n    revokeApiKey(input: { id: $id }) {\n      apiKey {\n        revokedAt\n      }\n    }\n  }\n"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;