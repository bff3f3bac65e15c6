// Signs up, logs in and asks who it is, over gRPC: grpc ADDRESS EMAIL PASSWORD
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	countersignv1 "countersign.dev/api/countersign/v1"
)

func main() {
	email, err := signIn(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(email)
}

func signIn(address, email, password string) (string, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	accounts := countersignv1.NewAccountServiceClient(connection)
	sessions := countersignv1.NewSessionServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	if _, err := accounts.CreateAccount(ctx, &countersignv1.CreateAccountRequest{Email: email, Password: password}); err != nil {
		return "", err
	}
	login, err := sessions.CreateSession(ctx, &countersignv1.CreateSessionRequest{Email: email, Password: password})
	if err != nil {
		return "", err
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+login.GetTokens().GetAccessToken())
	me, err := accounts.GetAccount(ctx, &countersignv1.GetAccountRequest{Name: "accounts/me"})
	if err != nil {
		return "", err
	}
	return me.GetAccount().GetEmail(), nil
}
