/** The operations of the main job, as a client of the API writes them. */
import { graphql } from '../generated/gql.ts';

export const RegisterDocument = graphql(`
  mutation Register($input: RegisterInput!) {
    register(input: $input) {
      auth {
        accessToken
        accessTokenExpiresAt
        refreshToken
        user {
          id
          email
          role
        }
      }
    }
  }
`);

export const LogoutDocument = graphql(`
  mutation Logout($input: LogoutInput) {
    logout(input: $input) {
      ok
    }
  }
`);

export const RefreshDocument = graphql(`
  mutation Refresh($input: RefreshSessionInput!) {
    refreshSession(input: $input) {
      accessToken
      refreshToken
    }
  }
`);

export const DatabasesDocument = graphql(`
  query Databases($first: Int, $after: String) {
    databases(first: $first, after: $after) {
      totalCount
      nodes {
        id
        name
        readOnly
        hosted
        viewerRole
      }
    }
  }
`);

export const ConnectDocument = graphql(`
  mutation Connect($input: ConnectDatabaseInput!) {
    connectDatabase(input: $input) {
      database {
        id
        name
        viewerRole
      }
      report {
        ok
        serverVersion
      }
    }
  }
`);

export const SubmitDocument = graphql(`
  mutation Submit($input: SubmitQueryInput!) {
    submitQuery(input: $input) {
      created
      job {
        id
        status
        revision
      }
    }
  }
`);

export const CancelDocument = graphql(`
  mutation Cancel($input: CancelJobInput!) {
    cancelJob(input: $input) {
      job {
        id
        status
        cancelRequestedAt
      }
    }
  }
`);

export const QueueDocument = graphql(`
  query Queue {
    queue {
      queued
      running
    }
  }
`);

export const JobUpdatedDocument = graphql(`
  subscription JobUpdated($id: ID!) {
    jobUpdated(id: $id) {
      id
      status
      revision
      progress {
        rows
        bytes
        estimatedRows
        percent
      }
      error {
        code
        message
        sqlState
        position
        line
      }
    }
  }
`);

export const JobEventsDocument = graphql(`
  subscription JobEvents($after: String) {
    jobEvents(after: $after) {
      position
      job {
        id
        status
      }
    }
  }
`);

export const JobDocument = graphql(`
  query Job($id: ID!, $first: Int = 100, $after: String) {
    job(id: $id) {
      id
      status
      revision
      attempt
      finishedAt
      error {
        code
        message
      }
      result(index: 0) {
        command
        rowCount
        truncated
        columns {
          name
          dataType
        }
        rows(first: $first, after: $after) {
          rows
          endCursor
          hasNextPage
        }
      }
    }
  }
`);

export const JobRowsDocument = graphql(`
  subscription JobRows($id: ID!, $batchSize: Int, $after: String) {
    jobRows(id: $id, batchSize: $batchSize, after: $after) {
      resultSet
      columns {
        name
        dataType
      }
      rows
      cursor
    }
  }
`);

export const RowChangesDocument = graphql(`
  subscription RowChanges($databaseId: ID!, $tables: [RowChangeSource!]!, $after: String, $batchSize: Int) {
    rowChanges(databaseId: $databaseId, tables: $tables, after: $after, batchSize: $batchSize) {
      position
      changes {
        event
        tableId
        schema
        table
        key
        position
        committedAt
        transactionId
        old
        new
        changedColumns
        unchangedColumns
      }
    }
  }
`);

export const ExplainDocument = graphql(`
  mutation Explain($input: ExplainQueryInput!) {
    explainQuery(input: $input) {
      plan {
        plan
        text
        estimatedCost
        estimatedRows
        reads
        writes
        warnings
      }
    }
  }
`);

export const CreateSavedQueryDocument = graphql(`
  mutation CreateSavedQuery($input: CreateSavedQueryInput!) {
    createSavedQuery(input: $input) {
      savedQuery {
        id
        nextRunAt
      }
    }
  }
`);

export const UpdateSavedQueryDocument = graphql(`
  mutation UpdateSavedQuery($input: UpdateSavedQueryInput!) {
    updateSavedQuery(input: $input) {
      savedQuery {
        id
        name
        schedule
        scheduleEnabled
        scheduleProblem
        nextRunAt
        owner {
          id
        }
      }
    }
  }
`);

export const DeleteSavedQueryDocument = graphql(`
  mutation DeleteSavedQuery($input: DeleteSavedQueryInput!) {
    deleteSavedQuery(input: $input) {
      deletedSavedQueryId
    }
  }
`);

export const RunSavedQueryDocument = graphql(`
  mutation RunSavedQuery($input: RunSavedQueryInput!) {
    runSavedQuery(input: $input) {
      job {
        id
        savedQuery {
          id
        }
      }
    }
  }
`);

export const SavedQueriesDocument = graphql(`
  query SavedQueries($projectId: ID, $search: String, $first: Int, $after: String) {
    savedQueries(projectId: $projectId, search: $search, first: $first, after: $after) {
      totalCount
      pageInfo {
        hasNextPage
        endCursor
      }
      nodes {
        id
        name
        sql
        schedule
        scheduleEnabled
        nextRunAt
        database {
          id
        }
        project {
          id
        }
        owner {
          id
        }
        lastJob {
          id
          status
        }
      }
    }
  }
`);

export const JobsOfSavedQueryDocument = graphql(`
  query JobsOfSavedQuery($savedQueryId: ID) {
    jobs(savedQueryId: $savedQueryId) {
      totalCount
      nodes {
        id
        savedQuery {
          id
        }
      }
    }
  }
`);

export const CreateBucketDocument = graphql(`
  mutation CreateBucket($input: CreateBucketInput!) {
    createBucket(input: $input) {
      bucket {
        id
        name
        public
        viewerRole
        maxFileSizeBytes
        allowedMimeTypes
        usedBytes
        owner {
          id
        }
        project {
          id
        }
      }
    }
  }
`);

export const UpdateBucketDocument = graphql(`
  mutation UpdateBucket($input: UpdateBucketInput!) {
    updateBucket(input: $input) {
      bucket {
        id
        public
        maxFileSizeBytes
        allowedMimeTypes
      }
    }
  }
`);

export const DeleteBucketDocument = graphql(`
  mutation DeleteBucket($input: DeleteBucketInput!) {
    deleteBucket(input: $input) {
      deletedBucketId
    }
  }
`);

export const BucketsDocument = graphql(`
  query Buckets($projectId: ID, $first: Int, $after: String) {
    buckets(projectId: $projectId, first: $first, after: $after) {
      totalCount
      pageInfo {
        hasNextPage
        endCursor
      }
      nodes {
        id
        name
        viewerRole
        usedBytes
      }
    }
  }
`);

export const FilesDocument = graphql(`
  query Files($bucket: ID!, $prefix: String, $first: Int, $after: String) {
    node(id: $bucket) {
      ... on Bucket {
        usedBytes
        files(prefix: $prefix, first: $first, after: $after) {
          totalCount
          pageInfo {
            hasNextPage
            endCursor
          }
          nodes {
            id
            path
            sizeBytes
          }
        }
      }
    }
  }
`);

export const FileDocument = graphql(`
  query File($id: ID!, $expiresInMs: Int, $download: Boolean) {
    node(id: $id) {
      ... on StoredFile {
        id
        status
        path
        sizeBytes
        mimeType
        sha256
        publicUrl
        url(expiresInMs: $expiresInMs, download: $download)
        bucket {
          id
        }
        owner {
          id
        }
      }
    }
  }
`);

export const FileAtDocument = graphql(`
  query FileAt($bucket: ID!, $path: String!) {
    node(id: $bucket) {
      ... on Bucket {
        file(path: $path) {
          id
          path
        }
      }
    }
  }
`);

export const UploadFileDocument = graphql(`
  mutation UploadFile($input: UploadFileInput!) {
    uploadFile(input: $input) {
      file {
        id
        status
        path
        sizeBytes
        mimeType
        sha256
        url
        publicUrl
      }
    }
  }
`);

export const CreateUploadDocument = graphql(`
  mutation CreateUpload($input: CreateUploadInput!) {
    createUpload(input: $input) {
      upload {
        url
        method
        headers
        expiresAt
        file {
          id
          status
          sha256
          url
        }
      }
    }
  }
`);

export const MoveFileDocument = graphql(`
  mutation MoveFile($input: MoveFileInput!) {
    moveFile(input: $input) {
      file {
        id
        path
        bucket {
          id
        }
      }
    }
  }
`);

export const DeleteFileDocument = graphql(`
  mutation DeleteFile($input: DeleteFileInput!) {
    deleteFile(input: $input) {
      deletedFileId
      bucket {
        id
        usedBytes
      }
    }
  }
`);

export const CreateProjectDocument = graphql(`
  mutation CreateProject($input: CreateProjectInput!) {
    createProject(input: $input) {
      project {
        id
      }
    }
  }
`);

export const AddMemberDocument = graphql(`
  mutation AddMember($input: AddMemberInput!) {
    addMember(input: $input) {
      member {
        id
      }
    }
  }
`);

export const RemoveMemberDocument = graphql(`
  mutation RemoveMember($input: RemoveMemberInput!) {
    removeMember(input: $input) {
      deletedMemberId
    }
  }
`);

export const RefreshCatalogDocument = graphql(`
  mutation RefreshCatalog($input: RefreshCatalogInput!) {
    refreshCatalog(input: $input) {
      database {
        id
        catalogFingerprint
      }
      changes {
        position
        kind
        object
        path
        before
        after
        fingerprint
        node {
          __typename
          id
        }
      }
    }
  }
`);

export const CatalogChangesDocument = graphql(`
  query CatalogChanges($id: ID!, $first: Int, $after: String) {
    database(id: $id) {
      catalogChanges(first: $first, after: $after) {
        totalCount
        pageInfo {
          hasNextPage
          endCursor
        }
        nodes {
          position
          kind
          path
        }
      }
    }
  }
`);

export const CatalogChangedDocument = graphql(`
  subscription CatalogChanged($databaseId: ID!, $after: String) {
    catalogChanged(databaseId: $databaseId, after: $after) {
      position
      kind
      object
      path
    }
  }
`);

export const EnableChangeTrackingDocument = graphql(`
  mutation EnableChangeTracking($input: EnableChangeTrackingInput!) {
    enableChangeTracking(input: $input) {
      database {
        id
        changeTracking
      }
    }
  }
`);

export const DisableChangeTrackingDocument = graphql(`
  mutation DisableChangeTracking($input: DisableChangeTrackingInput!) {
    disableChangeTracking(input: $input) {
      database {
        id
        changeTracking
      }
    }
  }
`);

export const BroadcastDocument = graphql(`
  mutation Broadcast($input: BroadcastInput!) {
    broadcast(input: $input) {
      ok
    }
  }
`);

export const MessagesDocument = graphql(`
  subscription Messages($projectId: ID!, $channel: String!, $after: String) {
    messages(projectId: $projectId, channel: $channel, after: $after) {
      position
      channel
      payload
      sender {
        id
      }
      sentAt
    }
  }
`);

export const LiveQueryDocument = graphql(`
  subscription LiveQuery($databaseId: ID!, $sql: String!, $parameters: [JSON], $maxRows: Int, $key: [String!]) {
    liveQuery(databaseId: $databaseId, sql: $sql, parameters: $parameters, maxRows: $maxRows, key: $key) {
      version
      columns {
        name
        dataType
        column {
          id
        }
      }
      rows {
        key
        index
        values
      }
      upserted {
        key
        index
        values
      }
      removed
      cause
      polled
    }
  }
`);

export const ChangeFeedHealthDocument = graphql(`
  query ChangeFeedHealth($databaseId: ID!) {
    database(id: $databaseId) {
      changeTracking
      health {
        ok
        changeFeed {
          kept
          tables
          readers
          retainedBytes
          safeBytes
          lagMs
          heardAt
        }
        changeFeedProblem {
          message
          at
        }
      }
    }
  }
`);

export const AuditLogDocument = graphql(`
  query AuditLog($actorId: ID, $action: String, $since: DateTime, $first: Int, $after: String) {
    auditLog(actorId: $actorId, action: $action, since: $since, first: $first, after: $after) {
      totalCount
      pageInfo {
        hasNextPage
        endCursor
      }
      nodes {
        id
        createdAt
        actor {
          id
        }
        action
        subject
        outcome
        ipAddress
        details
      }
    }
  }
`);

export const CreateApiKeyDocument = graphql(`
  mutation CreateApiKey($input: CreateApiKeyInput!) {
    createApiKey(input: $input) {
      secret
      apiKey {
        id
        prefix
        scopes
      }
    }
  }
`);

export const RevokeApiKeyDocument = graphql(`
  mutation RevokeApiKey($id: ID!) {
    revokeApiKey(input: { id: $id }) {
      apiKey {
        revokedAt
      }
    }
  }
`);
