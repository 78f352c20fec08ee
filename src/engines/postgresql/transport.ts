/** Opens the bare connection to a server: the dialled socket, under TLS as the target asks for it. */
import type { Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Dial, DialOptions, Target } from '../engine.ts';
import { connectFailure, NotPostgresql, type Stage, toConnectFailure } from './errors.ts';

export interface Transport {
  readonly socket: Socket;
  readonly encrypted: boolean;
}

/** The code that stands where a session's start would have its version: "speak TLS with me". */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** @throws AppError CONNECTION_FAILED; whatever is the signal's reason when it aborts */
export async function openTransport(
  { dial }: { dial: Dial },
  target: Target,
  options: DialOptions,
): Promise<Transport> {
  const { signal } = options;
  const socket = await dial(target, options);
  if (target.ssl === 'DISABLE') return { socket, encrypted: false };
  let stage: Stage = 'TCP';
  try {
    const answer = await ask(socket, signal);
    if (answer === 'N') {
      if (target.ssl === 'PREFER') return { socket, encrypted: false };
      throw connectFailure(target, 'TLS', `${target.host}:${target.port} does not offer TLS`, {
        hint: 'Turn TLS on at the server, or choose the SSL mode PREFER or DISABLE.',
      });
    }
    stage = 'TLS';
    return { socket: await encrypt(socket, target, signal), encrypted: true };
  } catch (cause) {
    socket.destroy();
    signal.throwIfAborted();
    // PREFER promises nothing against an attacker: a server whose TLS is broken is still reached.
    if (stage === 'TLS' && target.ssl === 'PREFER') {
      return { socket: await dial(target, options), encrypted: false };
    }
    throw stage === 'TLS' ? tlsFailure(target, cause) : toConnectFailure(target, stage, cause);
  }
}

/** Sends the request and reads the one byte that answers it. */
function ask(socket: Socket, signal: AbortSignal): Promise<'S' | 'N'> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => {
      socket.off('data', onData).off('error', reject).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      socket.pause();
      done();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    const onClose = () => settle(() => reject(new Error('closed before it answered')));
    const onData = (data: Buffer) =>
      settle(() => {
        const answer = data.toString('latin1');
        // Bytes behind the answer came in clear and must not be taken for encrypted ones (CVE-2021-23222).
        if (answer === 'S' || answer === 'N') resolve(answer);
        else reject(new NotPostgresql());
      });
    socket.on('data', onData).on('error', reject).on('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) return onAbort();
    socket.resume();
    socket.write(sslRequest);
  });
}

function encrypt(socket: Socket, target: Target, signal: AbortSignal): Promise<TLSSocket> {
  const verifies = target.ssl === 'VERIFY_CA' || target.ssl === 'VERIFY_FULL';
  return new Promise((resolve, reject) => {
    const secured = connectTls({
      socket,
      // Compared with the certificate: the host that the user named, not the address that it led to.
      host: target.host,
      // SNI takes names only (RFC 6066 section 3).
      ...(/^[\d.]+$|:/.test(target.host) ? {} : { servername: target.host }),
      rejectUnauthorized: verifies,
      ...(target.sslRootCertificate === undefined ? {} : { ca: target.sslRootCertificate }),
      ...(target.ssl === 'VERIFY_FULL' ? {} : { checkServerIdentity: () => undefined }),
    });
    const onAbort = () => secured.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    signal.addEventListener('abort', onAbort, { once: true });
    const settle = () => {
      signal.removeEventListener('abort', onAbort);
      secured.off('close', onClose).off('error', onError);
    };
    const onError = (error: Error) => {
      settle();
      secured.on('error', () => {}); // a second one, of a socket that is given up
      reject(error);
    };
    const onClose = () => {
      settle();
      reject(new Error('closed during the handshake'));
    };
    secured.on('error', onError).on('close', onClose);
    secured.once('secureConnect', () => {
      settle();
      secured.on('error', () => {}); // until its next owner listens, a reset must not end the process
      secured.pause();
      resolve(secured);
    });
  });
}

function tlsFailure(target: Target, cause: unknown): Error {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const hint = certificateHints[code] ?? 'Check the SSL mode and the certificates of the server.';
  const why = certificateHints[code] === undefined ? 'did not agree on TLS' : 'shows a certificate that is not trusted';
  return connectFailure(target, 'TLS', `${target.host}:${target.port} ${why}`, { hint, cause });
}

const unknownAuthority = 'Give the root certificate that signed the one of the server, as PEM.';
const certificateHints: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'The certificate is for another host name: use that name, or the SSL mode VERIFY_CA.',
  CERT_HAS_EXPIRED: 'The certificate of the server has expired: renew it.',
  CERT_NOT_YET_VALID: 'The certificate is not valid yet: check the clocks.',
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  CERT_SIGNATURE_FAILURE: unknownAuthority,
};
