// Signs up, logs in and asks who it is, over Connect: connect ADDRESS EMAIL PASSWORD
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"

	countersignv1 "countersign.dev/api/countersign/v1"
	"countersign.dev/api/countersign/v1/countersignv1connect"
)

func main() {
	email, err := signIn("http://"+os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(email)
}

func signIn(url, email, password string) (string, error) {
	accounts := countersignv1connect.NewAccountServiceClient(http.DefaultClient, url)
	sessions := countersignv1connect.NewSessionServiceClient(http.DefaultClient, url)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	signUp := connect.NewRequest(&countersignv1.CreateAccountRequest{Email: email, Password: password})
	if _, err := accounts.CreateAccount(ctx, signUp); err != nil {
		return "", err
	}
	login, err := sessions.CreateSession(ctx, connect.NewRequest(&countersignv1.CreateSessionRequest{Email: email, Password: password}))
	if err != nil {
		return "", err
	}
	whoAmI := connect.NewRequest(&countersignv1.GetAccountRequest{Name: "accounts/me"})
	whoAmI.Header().Set("authorization", "Bearer "+login.Msg.GetTokens().GetAccessToken())
	me, err := accounts.GetAccount(ctx, whoAmI)
	if err != nil {
		return "", err
	}
	return me.Msg.GetAccount().GetEmail(), nil
}
