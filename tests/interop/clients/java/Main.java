import dev.countersign.v1.AccountServiceGrpc;
import dev.countersign.v1.CreateAccountRequest;
import dev.countersign.v1.CreateSessionRequest;
import dev.countersign.v1.GetAccountRequest;
import dev.countersign.v1.SessionServiceGrpc;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.util.concurrent.TimeUnit;

/** Signs up, logs in and asks who it is, over gRPC: Main ADDRESS EMAIL PASSWORD */
public final class Main {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private Main() {}

    public static void main(String[] arguments) {
        var channel = Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build();
        try {
            System.out.println(signIn(channel, arguments[1], arguments[2]));
        } finally {
            channel.shutdownNow();
        }
    }

    private static String signIn(ManagedChannel channel, String email, String password) {
        var accounts = AccountServiceGrpc.newBlockingStub(channel).withDeadlineAfter(30, TimeUnit.SECONDS);
        var sessions = SessionServiceGrpc.newBlockingStub(channel).withDeadlineAfter(30, TimeUnit.SECONDS);

        accounts.createAccount(CreateAccountRequest.newBuilder().setEmail(email).setPassword(password).build());
        var login = sessions.createSession(CreateSessionRequest.newBuilder().setEmail(email).setPassword(password).build());
        var credential = new Metadata();
        credential.put(AUTHORIZATION, "Bearer " + login.getTokens().getAccessToken());
        return accounts.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(credential))
                .getAccount(GetAccountRequest.newBuilder().setName("accounts/me").build())
                .getAccount()
                .getEmail();
    }
}
