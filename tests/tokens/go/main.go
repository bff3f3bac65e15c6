// Verifies with the program of docs/TOKENS.md, which stands beside this file as verifier.go: of each line
// "ISSUER AUDIENCE TOKEN" it says whether the token is good.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
)

func main() {
	verifiers := map[[2]string]*Verifier{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		name := [2]string{words[0], words[1]}
		if verifiers[name] == nil {
			verifier, err := NewVerifier(context.Background(), words[0], words[1])
			if err != nil {
				panic(err)
			}
			verifiers[name] = verifier
		}
		claims, err := verifiers[name].Verify(words[2])
		if err != nil {
			fmt.Printf("refused %q\n", err)
		} else {
			fmt.Println("good", claims.Subject)
		}
	}
}
