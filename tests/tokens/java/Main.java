import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;

/**
 * Verifies with the program of docs/TOKENS.md, which stands beside this file: of each line
 * "ISSUER AUDIENCE TOKEN" it says whether the token is good.
 */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, Verifier> verifiers = new HashMap<>();
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            String name = words[0] + " " + words[1];
            if (!verifiers.containsKey(name)) {
                verifiers.put(name, new Verifier(words[0], words[1]));
            }
            try {
                System.out.println("good " + verifiers.get(name).verify(words[2]).getSubject());
            } catch (Exception refused) {
                System.out.println("refused " + refused.getMessage().lines().findFirst().orElse(""));
            }
        }
    }
}
